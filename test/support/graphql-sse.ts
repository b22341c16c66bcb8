import type { ExecutionResult } from 'graphql';
import { readEvents } from './sse.js';

export const EVENT_STREAM = 'text/event-stream';

export interface SseRequest {
  readonly query: string;
  readonly variables?: object;
}

/** A request to the event stream of GraphQL, by POST. */
export function openStream(url: string, request: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(`${url}/graphql/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: EVENT_STREAM },
    body: JSON.stringify(request),
    ...init,
  });
}

/** The results of a stream that ends as the protocol says. */
export async function readResults(response: Response): Promise<ExecutionResult[]> {
  const results: ExecutionResult[] = [];
  let isComplete = false;
  for await (const { type, data } of readEvents(response)) {
    if (isComplete) throw new Error(`'${type}' after 'complete'`);
    if (type === 'next') results.push(JSON.parse(data) as ExecutionResult);
    else if (type === 'complete') isComplete = true;
    else throw new Error(`unknown event '${type}'`);
  }
  if (!isComplete) throw new Error('the stream ended without complete');
  return results;
}

/** All results of one operation over server-sent events. */
export async function stream(url: string, request: SseRequest): Promise<ExecutionResult[]> {
  return readResults(await openStream(url, request));
}
