import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import type { EngineSupervisor } from '../engine/client/engine-supervisor.js';
import type { CallOptions, EngineLog, GenerateOptions } from '../engine/client/engine.js';
import { GenerationStream, type Outcome } from '../engine/client/generation-stream.js';
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
import type { GenerationEvent, GenerationRequest, Task } from '../engine/types.js';
import { createSupervisor } from './create-supervisor.js';
import { describeModel, type ModelDescription } from './model-description.js';
import type { ModelModuleOptions, ResidentModelOptions } from './model-options.interface.js';
import { MODULE_OPTIONS_TOKEN } from './model.module-definition.js';
import type { ModelUsage } from './model-usage.js';
import { servedRequest, type ServedListener } from './served-request.js';

export type { ModelDescription };

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
 * same loaded weights. Each model lives in an engine process of its own, loaded once: at the start, or when it is needed.
 */
@Injectable()
export class ModelProvider implements OnModuleInit, BeforeApplicationShutdown, OnApplicationShutdown {
  readonly #log = new Logger(ModelProvider.name);
  readonly #models: ReadonlyMap<string, Resident>;
  readonly #drainMs: number;
  readonly #servedListeners = new Set<ServedListener>();
  #draining: Promise<void> | undefined;

  constructor(@Inject(MODULE_OPTIONS_TOKEN) options: ModelModuleOptions) {
    this.#drainMs = options.drainSeconds * 1000;
    const log: EngineLog = {
      info: (message) => this.#log.log(message),
      warn: (message) => this.#log.warn(message),
      debug: (message) => this.#log.debug(message),
    };
    const onServed = (name: string, outcome: Outcome): void => this.#served(name, outcome);
    const create = createSupervisor(options, log, onServed);
    this.#models = new Map(
      options.models.map((model) => [model.name, { options: model, engine: create(model) }]),
    );
  }

  /** Loads what is to be loaded at the start. @throws ModelLoadError of a model that the start waits for */
  async onModuleInit(): Promise<void> {
    const awaited: Promise<unknown>[] = [];
    for (const { options, engine } of this.#models.values()) {
      if (options.load === 'await') awaited.push(engine.load());
      else if (options.load === 'background')
        engine.load('refuse').catch((error: unknown) => this.#log.error(messageOf(error)));
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
      return this.#find(model, 'text-generation').engine.generate(rest, options);
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
   * Waits while the model loads or its engine restarts; loads it if it isn't, as a request does.
   * @throws ResidentError if it can't be loaded, or the server shuts down
   */
  async whenLoaded(name?: string): Promise<void> {
    await this.#find(name).engine.demand();
  }

  /**
   * Loads the model, unless it is loaded.
   * @throws ModelLoadError, or InvalidRequestError with code `model_not_found`
   */
  async load(name?: string): Promise<ModelDescription> {
    const { engine } = this.#find(name);
    await engine.load();
    return describeModel(engine);
  }

  /**
   * Ends the engine of the model when its requests have ended, as long as the configuration allows; the next request loads it again.
   * @throws InvalidRequestError with code `model_not_found`
   */
  async unload(name?: string): Promise<ModelDescription> {
    const { engine } = this.#find(name);
    await engine.unload(this.#drainMs);
    return describeModel(engine);
  }

  /**
   * Loads the model anew beside the present engine, which answers until then and finishes what it has.
   * @throws ModelLoadError; the present engine stays then, unless there was no room for two
   */
  async reload(name?: string): Promise<ModelDescription> {
    const { engine } = this.#find(name);
    await engine.reload(this.#drainMs);
    return describeModel(engine);
  }

  /** In the order of the configuration. */
  describeAll(): ModelDescription[] {
    return [...this.#models.values()].map(({ engine }) => describeModel(engine));
  }

  /** @throws InvalidRequestError with code `model_not_found` */
  describe(name?: string): ModelDescription {
    return describeModel(this.#find(name).engine);
  }

  /** What each model cost and did, in the order of the configuration. */
  usage(): ModelUsage[] {
    return [...this.#models].map(([name, { engine }]) => ({ name, ...engine.usage() }));
  }

  /**
   * Tells of every request that is answered whole from now on. The listener is called in between answers: it should be quick.
   * @returns ends that
   */
  onServed(listener: ServedListener): () => void {
    this.#servedListeners.add(listener);
    return () => this.#servedListeners.delete(listener);
  }

  /** Whether every model takes requests now; one that isn't loaded until it is needed does. */
  get ready(): boolean {
    return [...this.#models.values()].every(({ engine }) => engine.takesRequests);
  }

  /** Stops taking requests and waits for those in flight, as long as the configuration allows. Can be called twice. */
  drain(): Promise<void> {
    this.#draining ??= Promise.all(
      [...this.#models.values()].map(({ engine }) => engine.drain(this.#drainMs)),
    ).then(() => undefined);
    return this.#draining;
  }

  #served(model: string, outcome: Outcome): void {
    const served = servedRequest(model, outcome);
    for (const listener of this.#servedListeners) listener(served);
  }

  async #call<Kind extends CallKind>(
    kind: Kind,
    { model, ...request }: ForModel<Calls[Kind]['request']>,
    options: CallOptions = {},
  ): Promise<Calls[Kind]['result']> {
    const { engine } = this.#find(model, TASK_OF[kind]);
    return engine.call(kind, request as Calls[Kind]['request'], options);
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
