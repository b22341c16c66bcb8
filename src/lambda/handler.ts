import { buffer } from 'node:stream/consumers';
import type { LoadedConfig } from '../config/load-config.js';
import { HttpEvents, type HttpAnswer, type LambdaResult } from './events.js';
import { keepAwake } from './keep-awake.js';
import { LambdaApp } from './lambda-app.js';
import { loadLambdaConfig } from './lambda-config.js';
import { answerStartFailure } from './start-failure.js';

export interface HandlerOptions {
  /** Default: `config/default.yaml`, the file that `RESIDENT_CONFIG` names and the environment, with what changes under `/tmp`. */
  readonly config?: LoadedConfig | undefined;
}

/** What a handler can do besides handling. */
export interface Startable {
  /**
   * Starts the application and loads its models, as the first invocation would. To be awaited at the top of a module, it does so while
   * the environment is set up: with provisioned concurrency before anybody waits.
   * @throws Error if it can't be started; the next call tries again
   */
  start(): Promise<void>;
  /** Gives the models back. For tests; AWS ends environments without asking. */
  close(): Promise<void>;
}

/** A handler of AWS Lambda's HTTP events: of function URLs, HTTP APIs, REST APIs and load balancers. */
export type Handler = ((event: unknown, context?: unknown) => Promise<LambdaResult>) & Startable;

/**
 * Makes a handler that answers each HTTP event in one piece. Application and models live in its closure: kept in a module's scope,
 * `export const handler = createHandler()`, they are loaded once in an execution environment.
 * @throws TypeError (by the handler) for an event that isn't of HTTP
 */
export function createHandler({ config }: HandlerOptions = {}): Handler {
  const app = new LambdaApp(() => config ?? loadLambdaConfig());
  const events = new HttpEvents();
  const handle = async (event: unknown): Promise<LambdaResult> => {
    const request = events.request(event);
    try {
      await app.start();
    } catch (error) {
      return events.result(event, answerStartFailure(error));
    }
    const response = await app.send(request);
    const { statusCode: status = 500, headers } = response;
    const answer: HttpAnswer = { status, headers, body: await buffer(response) };
    return events.result(event, answer);
  };
  return Object.assign((event: unknown) => keepAwake(() => handle(event)), {
    start: () => app.start(),
    close: () => app.close(),
  });
}
