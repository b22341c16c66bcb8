import { Global, Module, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  collect,
  InvalidRequestError,
  ModelProvider,
  type ResidentError,
  TransportModule,
  type Generation,
  type GenerationEvent,
  type ModelDescription,
  type ModelRequest,
  type ModelUsage,
  type ServedListener,
  type ServedRequest,
} from '../../src/index.js';

export const INSTANCE = '00000000-0000-4000-8000-000000000001';

/** Of a GB-hour and a CPU-hour: 10 CPU seconds cost as much as 1 GB for a minute. */
export const PRICES = { gbHourPrice: 0.006, cpuHourPrice: 0.036, currency: 'EUR' } as const;

/** A load, and nothing else so far. */
export const USED = {
  loads: 1,
  loadMs: 400,
  loadCpuMs: 600,
  restarts: 0,
  requests: 0,
  residentSeconds: 0,
} as const;

type Script = (request: ModelRequest, signal: AbortSignal | undefined) => AsyncIterable<GenerationEvent>;

/** A provider that answers by script, and keeps what it was asked. Strict: an unscripted call fails. */
export class FakeModels {
  readonly requests: ModelRequest[] = [];
  readonly priorities: (string | undefined)[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  state: ModelDescription['state'] = 'ready';
  /** What `usage()` says beside name and state. */
  used: Omit<ModelUsage, 'name' | 'state'> = USED;
  readonly #servedListeners = new Set<ServedListener>();
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

  /** What a load tells beside its result. */
  news: Partial<ModelDescription> = {};
  /** What operators ordered: `load tales`. */
  readonly orders: string[] = [];
  /** Thrown by `load()` and `reload()`. */
  loadError: ResidentError | undefined;

  load(name: string): Promise<ModelDescription> {
    return this.#order('load', name, 'ready');
  }

  unload(name: string): Promise<ModelDescription> {
    return this.#order('unload', name, 'idle');
  }

  reload(name: string): Promise<ModelDescription> {
    return this.#order('reload', name, 'ready');
  }

  async #order(what: string, name: string, state: ModelDescription['state']): Promise<ModelDescription> {
    const model = this.describe(name);
    if (this.loadError) throw this.loadError;
    this.orders.push(`${what} ${model.name}`);
    return { ...model, state };
  }

  describe(name = 'tales'): ModelDescription {
    if (name === 'tales' || name === 'owner/name') return { ...description(name, this.state), ...this.news };
    throw new InvalidRequestError('model_not_found', `The model '${name}' does not exist.`, {
      param: 'model',
    });
  }

  describeAll(): ModelDescription[] {
    return [this.describe()];
  }

  usage(): ModelUsage[] {
    return [{ name: 'tales', state: this.state, ...this.used }];
  }

  onServed(listener: ServedListener): () => void {
    this.#servedListeners.add(listener);
    return () => this.#servedListeners.delete(listener);
  }

  /** As if a request had been answered whole. */
  serve(served: Partial<ServedRequest> = {}): void {
    const { requests, ...used } = this.used;
    this.used = { ...used, requests: requests + 1 };
    const whole = { model: 'tales', kind: 'generate', finishReason: 'stop' } as const;
    for (const listener of this.#servedListeners)
      listener({ ...whole, promptTokens: 3, completionTokens: 5, ...served });
  }

  /** How many are told of requests. */
  get servedListeners(): number {
    return this.#servedListeners.size;
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
