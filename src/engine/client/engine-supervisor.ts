import { pause } from '../pause.js';
import type { CallKind, Calls, EngineCall } from '../encoder-types.js';
import { ResidentError, UnavailableError, asResidentError, messageOf } from '../errors.js';
import type { GenerationRequest, HubOptions, LoadedModelInfo, ModelSpec, Priority } from '../types.js';
import { EngineProcess, type CallOptions, type GenerateOptions } from './engine-process.js';
import { GenerationStream } from './generation-stream.js';
import { loadError, loadedLine, slowerWarning } from './load-messages.js';

export const ENGINE_STATES = ['idle', 'loading', 'ready', 'draining', 'stopped', 'failed'] as const;
export type EngineState = (typeof ENGINE_STATES)[number];

/** What the supervisor tells whoever keeps the log. */
export interface EngineLog {
  info(message: string): void;
  warn(message: string): void;
  debug(message: string): void;
}

/** What the supervisor needs of a process. */
export type Engine = Pick<
  EngineProcess,
  | 'exited'
  | 'finished'
  | 'load'
  | 'generate'
  | 'call'
  | 'take'
  | 'takeRetriable'
  | 'failAll'
  | 'stop'
  | 'kill'
>;

export interface SupervisorOptions {
  readonly spec: ModelSpec;
  readonly hub: HubOptions;
  readonly log: EngineLog;
  /** The program that holds the model; default: ours. */
  readonly engineEntry?: string | undefined;
  /** Makes the process; default: a real one. */
  readonly createProcess?: (onOutput: (line: string) => void) => Engine;
}

/** Waits before the 1st, 2nd, ... restart in a row, in milliseconds. After the last, the engine has failed. */
const RESTART_DELAYS_MS = [0, 250, 1000, 4000, 15_000] as const;
/** Generations of one priority under way or waiting, unless the model says otherwise. */
const MAX_QUEUE = 1024;
/** An engine that finished a generation, or lasted this long, was well: the next restart is the first again. */
const HEALTHY_MS = 60_000;

/**
 * Keeps one model resident: starts its engine process, loads the model once, restarts the process if it dies, and ends it.
 *
 * States: `idle` -> `loading` -> `ready` -> `draining` -> `stopped`; a load that fails is `failed`, and can be tried again
 * with `load()`; a process that dies brings `ready` back to `loading`.
 */
export class EngineSupervisor {
  readonly spec: ModelSpec;
  readonly #options: SupervisorOptions;
  #state: EngineState = 'idle';
  #process: Engine | undefined;
  #loading: Promise<LoadedModelInfo> | undefined;
  #info: LoadedModelInfo | undefined;
  #loads = 0;
  #restarts = 0;
  #readyAt = 0;
  readonly #ending = new AbortController();
  readonly #active: Record<Priority, number> = { interactive: 0, background: 0 };
  /** Aborts when nothing is in flight any more. */
  readonly #idle = new AbortController();

  constructor(options: SupervisorOptions) {
    this.spec = options.spec;
    this.#options = options;
  }

  get state(): EngineState {
    return this.#state;
  }

  /** What the present load produced; undefined before the first. */
  get info(): LoadedModelInfo | undefined {
    return this.#info;
  }

  /** How often the model was loaded since the start: stays 1 unless the engine died. */
  get loads(): number {
    return this.#loads;
  }

  /** Generations whose end their consumer hasn't seen. */
  get active(): number {
    return this.#active.interactive + this.#active.background;
  }

  /**
   * Loads the model; concurrent calls share one load, and when it is loaded this returns at once.
   * @throws ModelLoadError
   */
  load(): Promise<LoadedModelInfo> {
    if (this.#state === 'draining' || this.#state === 'stopped') return Promise.reject(this.#unavailable());
    this.#loading ??= this.#start().catch((error: unknown) => {
      this.#failed();
      throw error;
    });
    return this.#loading;
  }

  /**
   * @throws UnavailableError (by the iterator) unless the state is `ready` and the queue of this priority has room
   */
  generate(request: GenerationRequest, options: GenerateOptions = {}): GenerationStream {
    try {
      const { engine, settled } = this.#admit(options.priority);
      return engine.generate(request, options, settled);
    } catch (error) {
      return GenerationStream.failed(asResidentError(error));
    }
  }

  /**
   * Everything that is answered in one piece: embeddings, classifications, tokens.
   * @throws UnavailableError unless the state is `ready` and the queue of this priority has room
   * @throws ResidentError what the engine says, CancelledError or DeadlineError
   */
  async call<Kind extends CallKind>(
    kind: Kind,
    request: Calls[Kind]['request'],
    options: CallOptions = {},
  ): Promise<Calls[Kind]['result']> {
    const { engine, settled } = this.#admit(options.priority);
    // a kind with its own request
    const answers = engine.call({ kind, request } as EngineCall, options, settled);
    for await (const { result } of answers) {
      const { kind: _, ...rest } = result;
      return rest;
    }
    throw new ResidentError('internal_error', 'The call ended without an answer.');
  }

  /** Counts one more in flight, until `settled` is called. @throws UnavailableError */
  #admit(priority: Priority = 'interactive'): { engine: Engine; settled: () => void } {
    if (this.#state !== 'ready' || !this.#process) throw this.#unavailable();
    if (this.#active[priority] >= (this.spec.maxQueue ?? MAX_QUEUE)) throw this.#queueFull();
    this.#active[priority]++;
    return { engine: this.#process, settled: () => this.#settled(priority) };
  }

  /** Refuses new requests and resolves when those in flight have ended; what is left after `timeoutMs` is ended with an error. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#state !== 'ready' && this.#state !== 'loading') return;
    this.#state = 'draining';
    this.#ending.abort();
    if (this.active === 0) return;
    await pause(timeoutMs, this.#idle.signal);
    this.#process?.failAll(
      new UnavailableError('server_draining', 'The server shut down before this generation ended.'),
    );
  }

  /** Ends the engine process, in whatever state. What is still in flight fails. */
  async stop(): Promise<void> {
    const wasLoading = this.#info === undefined;
    this.#state = 'stopped';
    this.#ending.abort();
    // a load can't be interrupted; there is nothing to save in it
    if (wasLoading) this.#process?.kill();
    await this.#process?.stop();
  }

  async #start(): Promise<LoadedModelInfo> {
    const { log, hub } = this.#options;
    this.#state = 'loading';
    this.#info = undefined;
    log.info(`loading '${this.spec.name}' from ${this.spec.source}`);
    const onOutput = (line: string): void => log.debug(`engine '${this.spec.name}': ${line}`);
    const engine = this.#options.createProcess?.(onOutput) ?? createProcess(this.#options, onOutput);
    this.#process = engine;
    void engine.exited.then((how) => this.#exited(engine, how));
    try {
      const info = await engine.load(this.spec, hub);
      return this.#loaded(info);
    } catch (error) {
      await engine.stop();
      throw this.#isEnding() ? this.#unavailable() : loadError(this.spec, error);
    }
  }

  #loaded(info: LoadedModelInfo): LoadedModelInfo {
    this.#info = info;
    this.#loads++;
    this.#readyAt = performance.now();
    if (!this.#isEnding()) this.#state = 'ready';
    const { name } = this.spec;
    this.#options.log.info(loadedLine(name, info));
    if (info.kvCacheReason !== undefined && this.#loads === 1)
      this.#options.log.warn(slowerWarning(name, info.kvCacheReason));
    return info;
  }

  #failed(): void {
    this.#loading = undefined;
    this.#restarts = 0;
    if (!this.#isEnding()) this.#state = 'failed';
  }

  #exited(engine: Engine, how: string): void {
    const flights = engine.takeRetriable();
    // a process that ended while loading is reported by the load
    if (engine !== this.#process || this.#isEnding() || this.#state !== 'ready') {
      for (const { stream } of flights) stream.fail(this.#unavailable());
      return;
    }
    this.#state = 'loading';
    this.#info = undefined;
    if (engine.finished > 0 || performance.now() - this.#readyAt > HEALTHY_MS) this.#restarts = 0;
    this.#options.log.warn(`the engine process of '${this.spec.name}' ${how}`);
    this.#loading = this.#restart();
    this.#loading.then(
      () => flights.forEach((flight) => this.#process?.take(flight)),
      // why is reported in #restart; `load()` callers get it too
      (error: ResidentError) => flights.forEach(({ stream }) => stream.fail(error)),
    );
  }

  async #restart(): Promise<LoadedModelInfo> {
    const { log } = this.#options;
    for (;;) {
      const delay = RESTART_DELAYS_MS[this.#restarts++];
      if (delay === undefined) {
        this.#failed();
        const message = `The engine of '${this.spec.name}' died ${RESTART_DELAYS_MS.length} times in a row and is not started again. Its log says why.`;
        log.warn(message);
        throw new ResidentError('engine_failed', message);
      }
      await pause(delay, this.#ending.signal);
      if (this.#isEnding()) throw this.#unavailable();
      try {
        return await this.#start();
      } catch (error) {
        if (this.#isEnding()) throw error;
        log.warn(messageOf(error));
      }
    }
  }

  #settled(priority: Priority): void {
    this.#active[priority]--;
    if (this.active === 0 && this.#isEnding()) this.#idle.abort();
  }

  #isEnding(): boolean {
    return this.#state === 'draining' || this.#state === 'stopped';
  }

  #queueFull(): ResidentError {
    return new UnavailableError(
      'queue_full',
      `The model '${this.spec.name}' has all the requests that it takes on. Try again shortly.`,
    );
  }

  #unavailable(): ResidentError {
    const { name } = this.spec;
    switch (this.#state) {
      case 'draining':
      case 'stopped':
        return new UnavailableError('server_draining', 'The server is shutting down.');
      case 'failed':
        return new ResidentError(
          'engine_failed',
          `The model '${name}' could not be loaded. The server's log says why.`,
        );
      case 'idle':
      case 'loading':
      case 'ready':
        return this.#loads > 0
          ? new UnavailableError(
              'engine_restarting',
              `The engine of '${name}' is restarting. Try again shortly.`,
            )
          : new UnavailableError('model_loading', `The model '${name}' is still loading. Try again shortly.`);
      default:
        return this.#state satisfies never;
    }
  }
}

function createProcess(
  { spec: { stepLimitSeconds: limit }, engineEntry: entry }: SupervisorOptions,
  onOutput: (line: string) => void,
): Engine {
  const stepLimitMs = limit && limit * 1000;
  return new EngineProcess({ onOutput, keepRetriable: true, stepLimitMs, entry });
}
