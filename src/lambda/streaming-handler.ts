import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HttpEvents } from './events.js';
import type { HandlerOptions, Startable } from './handler.js';
import { keepAwake } from './keep-awake.js';
import { LambdaApp } from './lambda-app.js';
import { loadLambdaConfig } from './lambda-config.js';
import { endToEnd } from './local-connection.js';
import { answerStartFailure } from './start-failure.js';

/** What Lambda's Node.js runtime puts into the global scope for answers that are sent while they are made. */
interface AwsLambda {
  streamifyResponse(
    handler: (event: unknown, stream: Writable, context?: unknown) => Promise<void>,
  ): StreamifiedHandler;
  readonly HttpResponseStream: { from(stream: Writable, head: ResponseHead): Writable };
}

interface ResponseHead {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly string[];
}

/** What it is called with is the runtime's affair. */
export type StreamifiedHandler = (...args: unknown[]) => unknown;

export type StreamingHandler = StreamifiedHandler & Startable;

/**
 * Makes a handler that sends each answer while it is made: tokens arrive as the model produces them. For function URLs with
 * `InvokeMode: RESPONSE_STREAM`. Otherwise as `createHandler`.
 * @throws Error where there is no `awslambda.streamifyResponse`
 */
export function createStreamingHandler({ config }: HandlerOptions = {}): StreamingHandler {
  const runtime = awsLambda();
  const app = new LambdaApp(() => config ?? loadLambdaConfig());
  const events = new HttpEvents();
  const handle = async (event: unknown, stream: Writable): Promise<void> => {
    const request = events.request(event);
    try {
      await app.start();
    } catch (error) {
      const { status, headers, body } = answerStartFailure(error);
      const out = runtime.HttpResponseStream.from(stream, { statusCode: status, headers, cookies: [] });
      return pipeline([body], out);
    }
    const response = await app.send(request);
    const { statusCode = 500, headers } = response;
    const out = runtime.HttpResponseStream.from(stream, { statusCode, ...splitCookies(endToEnd(headers)) });
    out.write(''); // sends the head, also of an answer without a body
    // a client that goes away ends the one stream, which destroys the other: the generation is cancelled
    await pipeline(response, out);
  };
  const handler = runtime.streamifyResponse((event, stream) => keepAwake(() => handle(event, stream)));
  return Object.assign(handler, { start: () => app.start(), close: () => app.close() });
}

function awsLambda(): AwsLambda {
  const { awslambda } = globalThis as { readonly awslambda?: AwsLambda };
  if (awslambda) return awslambda;
  throw new Error(
    "There is no awslambda.streamifyResponse: createStreamingHandler is for AWS Lambda's managed Node.js runtimes. Use createHandler elsewhere.",
  );
}

function splitCookies(headers: ReturnType<typeof endToEnd>): Pick<ResponseHead, 'headers' | 'cookies'> {
  const { 'set-cookie': cookies = [], ...rest } = headers;
  return {
    headers: Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, String(value)])),
    cookies,
  };
}
