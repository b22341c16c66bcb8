import { Global, Module, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  collect,
  InvalidRequestError,
  ModelProvider,
  TransportModule,
  type Generation,
  type GenerationEvent,
  type ModelDescription,
  type ModelRequest,
} from '../../src/index.js';

export const INSTANCE = '00000000-0000-4000-8000-000000000001';

type Script = (request: ModelRequest, signal: AbortSignal | undefined) => AsyncIterable<GenerationEvent>;

/** A provider that answers by script, and keeps what it was asked. Strict: an unscripted call fails. */
export class FakeModels {
  readonly requests: ModelRequest[] = [];
  readonly priorities: (string | undefined)[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  state: ModelDescription['state'] = 'ready';
  script: Script = () => {
    throw new Error('the test has no script for generate()');
  };

  get ready(): boolean {
    return this.state === 'ready';
  }

  generate(request: ModelRequest, { signal, priority }: { signal?: AbortSignal; priority?: string } = {}) {
    this.requests.push(request);
    this.priorities.push(priority);
    this.signals.push(signal);
    const iterator = this.script(request, signal)[Symbol.asyncIterator]();
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () => iterator.next(),
      return: async () => {
        // not awaited: a generator's return() waits for its pending next()
        void iterator.return?.();
        return { done: true as const, value: undefined };
      },
    };
  }

  complete(
    request: ModelRequest,
    options: { signal?: AbortSignal; priority?: string } = {},
  ): Promise<Generation> {
    return collect(this.generate(request, options));
  }

  describe(name = 'tales'): ModelDescription {
    if (name === 'tales' || name === 'owner/name') return description(name, this.state);
    throw new InvalidRequestError('model_not_found', `The model '${name}' does not exist.`, {
      param: 'model',
    });
  }

  describeAll(): ModelDescription[] {
    return [this.describe()];
  }

  async drain(): Promise<void> {}
}

function description(name: string, state: ModelDescription['state']): ModelDescription {
  return {
    name,
    task: 'text-generation',
    state,
    loads: 1,
    active: 0,
    instanceId: INSTANCE,
    loadedAt: '2026-01-02T03:04:05.000Z',
    loadMs: 400,
    device: 'cpu',
    dtype: 'q8',
    contextLength: 1024,
    pid: 1,
  };
}

/** `start`, a `token` per text, `finish`. */
export async function* saying(...texts: string[]): AsyncGenerator<GenerationEvent> {
  yield { type: 'start', instanceId: INSTANCE, promptTokens: 3 };
  for (const [token, text] of texts.entries()) yield { type: 'token', token, text };
  yield {
    type: 'finish',
    finishReason: 'length',
    text: '',
    usage: { promptTokens: 3, cachedTokens: 2, completionTokens: texts.length },
  };
}

/** What came before goes out, then the error. */
export async function* failingAfter(error: Error, ...texts: string[]): AsyncGenerator<GenerationEvent> {
  if (texts.length > 0) yield { type: 'start', instanceId: INSTANCE, promptTokens: 3 };
  for (const [token, text] of texts.entries()) yield { type: 'token', token, text };
  throw error;
}

export interface FakeApp {
  readonly app: NestExpressApplication;
  readonly models: FakeModels;
  readonly url: string;
}

/** The real HTTP stack over a fake provider. */
export async function startOverFake(...modules: (Type | object)[]): Promise<FakeApp> {
  const models = new FakeModels();
  @Global()
  @Module({ providers: [{ provide: ModelProvider, useValue: models }], exports: [ModelProvider] })
  class FakeModelModule {}
  const testing = await Test.createTestingModule({
    imports: [FakeModelModule, TransportModule, ...(modules as Type[])],
  }).compile();
  const app = testing.createNestApplication<NestExpressApplication>({
    bodyParser: false,
    forceCloseConnections: true,
    logger: false,
  });
  app.useBodyParser('json', { limit: '1kb' });
  await app.listen(0, '127.0.0.1');
  return { app, models, url: await app.getUrl() };
}
