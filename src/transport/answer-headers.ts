import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { OutgoingHttpHeader } from 'node:http';
import type { Request, Response } from 'express';

export const REQUEST_ID_HEADER = 'x-request-id';

/** Printable ASCII, and short: it goes into logs and headers as it is. */
const USABLE_ID = /^[\x20-\x7e]{1,128}$/;

/** What an answer tells of the work behind it; what isn't known isn't told. */
export interface AnswerFacts {
  /** The load that answered. */
  readonly instanceId: string;
  readonly timing?:
    | {
        readonly queueMs?: number | undefined;
        readonly prefillMs?: number | undefined;
        readonly inferenceMs?: number | undefined;
      }
    | undefined;
}

/**
 * Gives the request an id (its own, if it is usable), and has the answer tell how long it took. Called before anything else
 * sees the request, so that a body that can't be read is answered like everything else.
 */
export function trackRequest(request: Request, response: Response): void {
  const arrived = performance.now();
  response.setHeader(REQUEST_ID_HEADER, requestIdFrom(request.headers[REQUEST_ID_HEADER]));
  beforeHeaders(response, () => {
    if (isStream(response.getHeader('content-type'))) return;
    const total = formatMs(performance.now() - arrived);
    response.setHeader('x-resident-total-ms', total);
    response.setHeader('openai-processing-ms', String(Math.round(Number(total))));
  });
}

/** The id of the request that this answers; undefined outside HTTP. */
export function requestIdOf(response: Pick<Response, 'getHeader'> | undefined): string | undefined {
  const id = response?.getHeader(REQUEST_ID_HEADER);
  return typeof id === 'string' ? id : undefined;
}

/** Sets `x-resident-instance`, and `x-resident-…-ms` for each time that is known. */
export function tellFacts(response: Response, facts: AnswerFacts | undefined): void {
  if (!facts) return;
  const { instanceId, timing } = facts;
  response.setHeader('x-resident-instance', instanceId);
  const times = [
    ['queue', timing?.queueMs],
    ['prefill', timing?.prefillMs],
    ['inference', timing?.inferenceMs],
  ] as const;
  for (const [name, ms] of times)
    if (ms !== undefined) response.setHeader(`x-resident-${name}-ms`, formatMs(ms));
}

function requestIdFrom(sent: string | string[] | undefined): string {
  return typeof sent === 'string' && USABLE_ID.test(sent) ? sent : randomUUID();
}

/** Milliseconds with what is worth telling of their fractions. */
function formatMs(ms: number): string {
  return Math.max(ms, 0).toFixed(1);
}

function isStream(contentType: OutgoingHttpHeader | undefined): boolean {
  return String(contentType ?? '').startsWith('text/event-stream');
}

/** Node has no event for it: whoever writes the headers calls `writeHead`, `end()` included. */
function beforeHeaders(response: Response, action: () => void): void {
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => Response;
  response.writeHead = (...args: unknown[]) => {
    if (!response.headersSent) action();
    return writeHead(...args);
  };
}
