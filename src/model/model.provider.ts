import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { EngineSupervisor, type EngineState } from '../engine/client/engine-supervisor.js';
import type { CallOptions, GenerateOptions } from '../engine/client/engine-process.js';
import { GenerationStream } from '../engine/client/generation-stream.js';
import { collect, type Generation } from '../engine/collect.js';
import type {
  CallKind,
  Calls,
  ClassificationRequest,
  ClassificationResult,
  DetokenizeRequest,
  DetokenizeResult,
  EmbeddingRequest,
  EmbeddingResult,
  RerankRequest,
  RerankResult,
  TokenizeRequest,
  TokenizeResult,
} from '../engine/encoder-types.js';
import { InvalidRequestError, messageOf } from '../engine/errors.js';
import type { GenerationEvent, GenerationRequest, LoadedModelInfo, Task } from '../engine/types.js';
import type { ModelModuleOptions, ResidentModelOptions } from './model-options.interface.js';
import { MODULE_OPTIONS_TOKEN } from './model.module-definition.js';

/** A resident model as transports show it. What is known only after a load is missing before it. */
export interface ModelDescription extends Partial<LoadedModelInfo> {
  readonly name: string;
  readonly task: Task;
  readonly state: EngineState;
  /** Times the model was loaded since the server started: 1 unless its engine died. */
  readonly loads: number;
  /** Generations under way or waiting. */
  readonly active: number;
}

/** Default of `model`: the first one that does what is asked. */
export type ForModel<Request> = Request & { readonly model?: string | undefined };

export type ModelRequest = ForModel<GenerationRequest>;

export type { CallOptions };

/** What a model must do to answer; a tokenizer has each. */
const TASK_OF: Readonly<Record<CallKind, Task | undefined>> = {
  embed: 'feature-extraction',
  classify: 'text-classification',
  rerank: 'reranking',
  tokenize: undefined,
  detokenize: undefined,
};

interface Resident {
  readonly options: ResidentModelOptions;
  readonly engine: EngineSupervisor;
}

/**
 * The one way to the models, in default (singleton) scope: whatever injects it gets the same instance, and with it the
 * same loaded weights. Each model lives in an engine process of its own, loaded once, in `onModuleInit`.
 */
@Injectable()
export class ModelProvider implements OnModuleInit, BeforeApplicationShutdown, OnApplicationShutdown {
  readonly #log = new Logger(ModelProvider.name);
  readonly #models: ReadonlyMap<string, Resident>;
  readonly #drainMs: number;
  #draining: Promise<void> | undefined;

  constructor(@Inject(MODULE_OPTIONS_TOKEN) { models, hub, drainSeconds, engineEntry }: ModelModuleOptions) {
    const log = {
      info: (message: string) => this.#log.log(message),
      warn: (message: string) => this.#log.warn(message),
      debug: (message: string) => this.#log.debug(message),
    };
    this.#drainMs = drainSeconds * 1000;
    this.#models = new Map(
      models.map(({ load, ...spec }) => [
        spec.name,
        { options: { load, ...spec }, engine: new EngineSupervisor({ spec, hub, log, engineEntry }) },
      ]),
    );
  }

  async onModuleInit(): Promise<void> {
    const awaited: Promise<unknown>[] = [];
    for (const { options, engine } of this.#models.values()) {
      const load = engine.load();
      if (options.load === 'await') awaited.push(load);
      else load.catch((error: unknown) => this.#log.error(messageOf(error)));
    }
    await Promise.all(awaited);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.#models.values()].map(({ engine }) => engine.stop()));
  }

  /**
   * Runs a request. The events come as the model produces them; leaving the loop early, or aborting the signal, frees
   * the work within one step.
   * @throws ResidentError by the iterator, before `start` or, if the engine fails, later
   */
  generate(request: ModelRequest, options: GenerateOptions = {}): AsyncIterableIterator<GenerationEvent> {
    const { model, ...rest } = request;
    try {
      const resident = this.#find(model, 'text-generation');
      const { engine } = resident;
      return this.#comesEarly(resident)
        ? generateWhenLoaded(engine, rest, options)
        : engine.generate(rest, options);
    } catch (error) {
      if (error instanceof InvalidRequestError) return GenerationStream.failed(error);
      throw error;
    }
  }

  /**
   * Runs a request and waits for its whole text.
   * @throws ResidentError
   */
  complete(request: ModelRequest, options: Omit<GenerateOptions, 'stream'> = {}): Promise<Generation> {
    return collect(this.generate(request, { ...options, stream: false }));
  }

  /**
   * One vector for each input.
   * @throws ResidentError
   */
  embed(request: ForModel<EmbeddingRequest>, options?: CallOptions): Promise<EmbeddingResult> {
    return this.#call('embed', request, options);
  }

  /**
   * Every label's score for each input.
   * @throws ResidentError
   */
  classify(request: ForModel<ClassificationRequest>, options?: CallOptions): Promise<ClassificationResult> {
    return this.#call('classify', request, options);
  }

  /**
   * How relevant each document is to the query.
   * @throws ResidentError
   */
  rerank(request: ForModel<RerankRequest>, options?: CallOptions): Promise<RerankResult> {
    return this.#call('rerank', request, options);
  }

  /** @throws ResidentError */
  tokenize(request: ForModel<TokenizeRequest>, options?: CallOptions): Promise<TokenizeResult> {
    return this.#call('tokenize', request, options);
  }

  /** @throws ResidentError */
  detokenize(request: ForModel<DetokenizeRequest>, options?: CallOptions): Promise<DetokenizeResult> {
    return this.#call('detokenize', request, options);
  }

  /**
   * Waits while the model loads or its engine restarts.
   * @throws ResidentError if it can't be loaded, or the server shuts down
   */
  async whenLoaded(name?: string): Promise<void> {
    await this.#find(name).engine.load();
  }

  /** In the order of the configuration. */
  describeAll(): ModelDescription[] {
    return [...this.#models.values()].map(describe);
  }

  /** @throws InvalidRequestError with code `model_not_found` */
  describe(name?: string): ModelDescription {
    return describe(this.#find(name));
  }

  /** Whether every model can take requests now. */
  get ready(): boolean {
    return this.describeAll().every(({ state }) => state === 'ready');
  }

  /** Stops taking requests and waits for those in flight, as long as the configuration allows. Can be called twice. */
  drain(): Promise<void> {
    this.#draining ??= Promise.all(
      [...this.#models.values()].map(({ engine }) => engine.drain(this.#drainMs)),
    ).then(() => undefined);
    return this.#draining;
  }

  async #call<Kind extends CallKind>(
    kind: Kind,
    { model, ...request }: ForModel<Calls[Kind]['request']>,
    options: CallOptions = {},
  ): Promise<Calls[Kind]['result']> {
    const resident = this.#find(model, TASK_OF[kind]);
    const { engine } = resident;
    if (this.#comesEarly(resident)) await engine.load();
    return engine.call(kind, request as Calls[Kind]['request'], options);
  }

  /** Before the application is up: such callers wait for the load instead of being refused. */
  #comesEarly({ options, engine }: Resident): boolean {
    return options.load === 'await' && engine.loads === 0 && !this.#draining;
  }

  /** @param task that it must do; default: none in particular */
  #find(name: string | undefined, task?: Task): Resident {
    const all = [...this.#models.values()];
    const found =
      name === undefined
        ? (all.find(({ options }) => task === undefined || options.task === task) ?? all[0])
        : (this.#models.get(name) ?? all.find(({ options }) => options.aliases?.includes(name)));
    if (found && task !== undefined && found.options.task !== task) throw wrongTask(found.options, task);
    if (found) return found;
    const names = [...this.#models.keys()].map((known) => `'${known}'`).join(', ');
    throw new InvalidRequestError(
      'model_not_found',
      `The model '${name}' does not exist. Available: ${names}.`,
      {
        param: 'model',
      },
    );
  }
}

function wrongTask({ name, task }: ResidentModelOptions, asked: Task): InvalidRequestError {
  return new InvalidRequestError(
    'task_not_supported',
    `The model '${name}' does ${task}, not ${asked}. GET /v1/models tells what each model does.`,
    { param: 'model' },
  );
}

function describe({ options, engine }: Resident): ModelDescription {
  const { name, task } = options;
  return { name, task, state: engine.state, loads: engine.loads, active: engine.active, ...engine.info };
}

/** For callers that come before the application is up: they share the load under way, or start it. */
async function* generateWhenLoaded(
  engine: EngineSupervisor,
  request: GenerationRequest,
  options: GenerateOptions,
): AsyncGenerator<GenerationEvent> {
  await engine.load();
  yield* engine.generate(request, options);
}
