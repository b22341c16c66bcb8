import { explainStartFailure } from '../cli/explain.js';

/**
 * What a caller gets of a start that failed, in OpenAI's envelope; the reason is for the log, which this writes.
 * @returns an answer with status 503: the next invocation tries again
 */
export function answerStartFailure(error: unknown): {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
} {
  process.stderr.write(`resident: ${explainStartFailure(error)}\n`);
  const body = {
    error: {
      message: 'The function could not start. Its log says why; the next request tries again.',
      type: 'server_error',
      param: null,
      code: 'engine_restarting',
    },
  };
  return {
    status: 503,
    headers: { 'content-type': 'application/json; charset=utf-8', 'retry-after': '1' },
    body: Buffer.from(JSON.stringify(body)),
  };
}
