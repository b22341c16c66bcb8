import type { Response } from 'express';
import { GraphQLError, subscribe, type ExecutionArgs, type ExecutionResult } from 'graphql';
import type { Response as SseAnswer } from 'graphql-sse';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { toGraphQlError } from '../transport/graphql-error.js';

/** An answer that is no stream. */
export function refusal(status: number, errors: readonly GraphQLError[]): SseAnswer {
  return [
    JSON.stringify({ errors }),
    { status, statusText: '', headers: { 'content-type': 'application/json; charset=utf-8' } },
  ];
}

/** Sends what graphql-sse answers, with backpressure; a client that goes away ends what it asked for. */
export async function sendAnswer(response: Response, [body, init]: SseAnswer): Promise<void> {
  response.status(init.status).set(init.headers ?? {});
  if (body === null || typeof body === 'string') {
    response.end(body ?? undefined);
    return;
  }
  try {
    await pipeline(Readable.from(body), response);
  } catch (error) {
    if (!response.destroyed) throw error;
  }
}

/** Where an iterator fails, graphql-sse would cut the connection: the failure is sent as the last result instead. */
export async function subscribeTellingErrors(
  args: ExecutionArgs,
): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
  const result = await subscribe(args);
  return Symbol.asyncIterator in result ? endingWithErrors(result) : result;
}

/** Not a generator: `return()` reaches the source at once, also while a `next()` waits. */
function endingWithErrors(
  source: AsyncGenerator<ExecutionResult, void, void>,
): AsyncIterableIterator<ExecutionResult> {
  let failed = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (failed) return { done: true, value: undefined };
      try {
        return await source.next();
      } catch (error) {
        failed = true;
        // what a subscription's own iterator threw is reported already
        const told = error instanceof GraphQLError ? error : toGraphQlError(error);
        return { done: false, value: { errors: [told] } };
      }
    },
    async return() {
      await source.return();
      return { done: true, value: undefined };
    },
    // graphql-sse ends only what has all three
    throw: (error) => source.throw(error),
  };
}
