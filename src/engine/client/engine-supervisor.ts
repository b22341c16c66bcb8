import type { CallKind, Calls, EngineCall } from '../encoder-types.js';
import { ResidentError, UnavailableError, asResidentError } from '../errors.js';
import { pause } from '../pause.js';
import type { CallAnswer } from '../protocol.js';
import type {
  GenerationEvent,
  GenerationRequest,
  HubOptions,
  LoadProgress,
  LoadedModelInfo,
  ModelSpec,
  Priority,
} from '../types.js';
import type { CallOptions, CreateEngine, EngineLog, GenerateOptions } from './engine.js';
import { EngineLoader } from './engine-loader.js';
import { EngineProcess } from './engine-process.js';
import type { EngineState } from './engine-state.js';
import { Flight, type FlightEvent, type FlightPlan } from './flight.js';
import { GenerationStream, type Outcome } from './generation-stream.js';
import { Operations } from './operations.js';
import { RequestQueue } from './request-queue.js';
import { Residence, type Meanwhile } from './residence.js';
import { UsageMeter, type MeteredUsage } from './usage-meter.js';

export interface SupervisorOptions {
  readonly spec: ModelSpec;
  readonly hub: HubOptions;
  readonly log: EngineLog;
  /** How long the model is kept without being used, in milliseconds. Default: always. */
  readonly keepAliveMs?: number | undefined;
  /** Told of each request that was answered whole. */
  readonly onServed?: ((outcome: Outcome) => void) | undefined;
  /** Told how a load goes; undefined: it has ended. */
  readonly onProgress?: ((progress: LoadProgress | undefined) => void) | undefined;
  /** The program that holds the model; default: ours. */
  readonly engineEntry?: string | undefined;
  /** Makes what holds the model; default: a process. */
  readonly createProcess?: CreateEngine | undefined;
}

/** What a supervisor tells the ledger, besides what it metered. */
export interface SupervisedUsage extends MeteredUsage {
  readonly state: EngineState;
  /**
   * Resident memory of its engine, in bytes (of both while a reload goes on), as the engine told last; missing while there is none, or it
   * hasn't told yet.
   */
  readonly engineRss?: number | undefined;
  /** How late turns of the engine's event loop were lately (its steps block it), 99th percentile in milliseconds. */
  readonly engineEventLoopDelayP99Ms?: number | undefined;
}

/**
 * Keeps one model resident: loads it once, when it is told to or a request needs it, starts its engine again if it dies, and ends it
 * when nobody needs it. What happens when is `Residence`'s; this is what the rest of the server sees.
 */
export class EngineSupervisor {
  readonly spec: ModelSpec;
  readonly #options: SupervisorOptions;
  readonly #queue: RequestQueue;
  readonly #meter = new UsageMeter();
  readonly #residence: Residence;
  readonly #operations: Operations;
  #progress: LoadProgress | undefined;
  /** Aborts when nothing is in flight any more and the server ends. */
  readonly #idle = new AbortController();

  constructor(options: SupervisorOptions) {
    const { spec, hub, log, keepAliveMs } = options;
    this.spec = spec;
    this.#options = options;
    const queue = new RequestQueue(spec.name, spec.maxQueue, () => this.#emptied());
    const loader = new EngineLoader({
      spec,
      hub,
      log,
      create: options.createProcess ?? ((onOutput) => createProcess(options, onOutput)),
      onProgress: (progress) => this.#progressed(progress),
      onUse: () => residence.used(),
    });
    const common = { log, loader, queue };
    const onUnused = (): void => this.#operations.unloadUnused();
    const residence = new Residence({ ...common, spec, meter: this.#meter, keepAliveMs, onUnused });
    this.#queue = queue;
    this.#residence = residence;
    this.#operations = new Operations({ ...common, name: spec.name, residence });
  }

  get state(): EngineState {
    return this.#residence.state;
  }

  /** Whether requests are answered, though maybe not before a load. */
  get takesRequests(): boolean {
    return this.#residence.takesRequests;
  }

  /** What the present load produced; undefined while it isn't loaded. */
  get info(): LoadedModelInfo | undefined {
    return this.#residence.session?.info;
  }

  /** What the load under way does. */
  get progress(): LoadProgress | undefined {
    return this.#progress;
  }

  /** What the model can't do as well as it should: a sentence. */
  get degraded(): string | undefined {
    return this.#residence.session?.degraded;
  }

  /** Why the last load failed. */
  get failure(): ResidentError | undefined {
    return this.#residence.failure;
  }

  /** How often the model was loaded since the start. */
  get loads(): number {
    return this.#meter.loads;
  }

  /** Requests whose end their consumer hasn't seen. */
  get active(): number {
    return this.#queue.active;
  }

  /** What the engine takes up is as it said last; reading it asks anew. */
  usage(): SupervisedUsage {
    const { state, session, sessions } = this.#residence;
    const rss = sessions.flatMap(({ stats }) => stats?.rss ?? []);
    for (const each of sessions) each.askForStats();
    return {
      ...this.#meter.read(),
      state,
      engineRss: rss.length === 0 ? undefined : rss.reduce((sum, bytes) => sum + bytes),
      engineEventLoopDelayP99Ms: session?.stats?.eventLoopDelayP99Ms,
    };
  }

  /**
   * Loads the model, unless it is loaded; concurrent calls share one load.
   * @param meanwhile for requests that come before it is loaded
   * @throws ModelLoadError
   */
  load(meanwhile?: Meanwhile): Promise<LoadedModelInfo> {
    return this.#residence.load(meanwhile);
  }

  /**
   * The same as a request does it: a load that failed isn't tried again at once.
   * @throws ModelLoadError
   */
  demand(): Promise<LoadedModelInfo> {
    return this.#residence.demand();
  }

  /** See `Operations`. @throws UnavailableError when the server ends */
  unload(drainMs: number): Promise<void> {
    return this.#operations.unload(drainMs);
  }

  /** See `Operations`. @throws ModelLoadError */
  reload(drainMs: number): Promise<LoadedModelInfo> {
    return this.#operations.reload(drainMs);
  }

  /**
   * Waits for the model if that is how it is loaded.
   * @throws ResidentError (by the iterator) if it isn't, can't be loaded, or the queue of this priority is full
   */
  generate(request: GenerationRequest, options: GenerateOptions = {}): GenerationStream {
    const { signal, priority = 'interactive', client = '', stream = true, retry } = options;
    try {
      return this.#submit<GenerationEvent>({ request, priority, client, stream }, signal, retry);
    } catch (error) {
      return GenerationStream.failed(asResidentError(error));
    }
  }

  /**
   * Everything that is answered in one piece: embeddings, classifications, tokens.
   * @throws ResidentError as `generate()`, and what the engine says
   */
  async call<Kind extends CallKind>(
    kind: Kind,
    request: Calls[Kind]['request'],
    { signal, priority = 'interactive', client = '', retry }: CallOptions = {},
  ): Promise<Calls[Kind]['result']> {
    // a kind with its own request
    const call = { kind, request } as EngineCall;
    const answers = this.#submit<CallAnswer>({ call, priority, client }, signal, retry);
    for await (const { result } of answers) {
      const { kind: _, ...rest } = result;
      return rest;
    }
    throw new ResidentError('internal_error', 'The call ended without an answer.');
  }

  /** Refuses new requests and resolves when those in flight have ended; what is left after `timeoutMs` is ended with an error. */
  async drain(timeoutMs: number): Promise<void> {
    const { state } = this.#residence;
    if (state === 'draining' || state === 'stopped') return;
    this.#residence.drain();
    if (this.active === 0) return;
    await pause(timeoutMs, this.#idle.signal);
    const error = new UnavailableError('server_draining', 'The server shut down before this request ended.');
    this.#queue.failAll(error);
    for (const { engine } of this.#residence.sessions) engine.failAll(error);
  }

  /** Ends the engine, in whatever state. What is still in flight fails. */
  stop(): Promise<void> {
    return this.#residence.stop();
  }

  /** @throws ResidentError unless it is taken on */
  #submit<Event extends FlightEvent>(
    plan: FlightPlan,
    signal: AbortSignal | undefined,
    retry: boolean | undefined,
  ): GenerationStream<Event> {
    const refusal = this.#residence.refusal();
    if (refusal) throw refusal;
    const { priority } = plan;
    this.#queue.enter(priority);
    this.#meter.asked();
    const flight = new Flight<Event>(plan, signal, (outcome) => this.#settled(priority, outcome), retry);
    this.#residence.place(flight);
    return flight.stream;
  }

  #settled(priority: Priority, outcome: Outcome | undefined): void {
    this.#queue.settled(priority);
    if (!outcome) return;
    this.#meter.served();
    this.#options.onServed?.(outcome);
  }

  #emptied(): void {
    const { state } = this.#residence;
    if (state === 'draining' || state === 'stopped') this.#idle.abort();
  }

  #progressed(progress: LoadProgress | undefined): void {
    this.#progress = progress;
    this.#options.onProgress?.(progress);
  }
}

function createProcess(
  { spec: { stepLimitSeconds: step, loadLimitSeconds: load }, engineEntry: entry }: SupervisorOptions,
  onOutput: (line: string) => void,
): EngineProcess {
  const stepLimitMs = step && step * 1000;
  const loadLimitMs = load && load * 1000;
  return new EngineProcess({ onOutput, keepRetriable: true, stepLimitMs, loadLimitMs, entry });
}
