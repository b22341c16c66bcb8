import type { IncomingMessage } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { LoadedConfig } from '../config/load-config.js';
import type { AdapterRequest } from '@h4ad/serverless-adapter';
import { keepAwake } from './keep-awake.js';
import { sendLocally } from './local-connection.js';

/** The application of one execution environment: made once, used by every invocation. */
export class LambdaApp {
  readonly #config: () => LoadedConfig;
  #app: Promise<NestExpressApplication> | undefined;

  /** @param config read with every attempt to start: what was wrong with it may be mended */
  constructor(config: () => LoadedConfig) {
    this.#config = config;
  }

  /**
   * Starts the application and loads its models. Calls at the same time share one start, later ones find it done; one that failed is
   * begun anew by the next call.
   * @throws Error that `explainStartFailure` tells of
   */
  async start(): Promise<void> {
    await this.#started();
  }

  /** Starts the application if it isn't there, and asks it. Destroying the answer cancels what is still under way of it. */
  async send(request: AdapterRequest): Promise<IncomingMessage> {
    const app = await this.#started();
    return sendLocally(app.getHttpServer(), request);
  }

  /** Gives the models back. The next request would start anew. */
  async close(): Promise<void> {
    const app = this.#app;
    this.#app = undefined;
    await app?.then(
      (started) => started.close(),
      () => undefined,
    );
  }

  #started(): Promise<NestExpressApplication> {
    if (this.#app) return this.#app;
    const starting = keepAwake(() => startApp(this.#config));
    this.#app = starting;
    starting.catch(() => {
      if (this.#app === starting) this.#app = undefined;
    });
    return starting;
  }
}

async function startApp(readConfig: () => LoadedConfig): Promise<NestExpressApplication> {
  const config = readConfig();
  const { createLambdaApp } = await import('./create-lambda-app.js');
  return createLambdaApp(config);
}
