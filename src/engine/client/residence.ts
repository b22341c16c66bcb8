import { asResidentError, messageOf, type ResidentError } from '../errors.js';
import type { LoadedModelInfo, ModelSpec } from '../types.js';
import type { EngineLog } from './engine.js';
import type { EngineLoader } from './engine-loader.js';
import type { EngineSession } from './engine-session.js';
import type { EngineState } from './engine-state.js';
import type { Flight, FlightEvent } from './flight.js';
import { KeepAlive } from './keep-alive.js';
import * as say from './load-messages.js';
import type { RequestQueue } from './request-queue.js';
import { RetiredSessions } from './retired-sessions.js';
import { LoadRetries, RestartLoop } from './tries.js';
import type { UsageMeter } from './usage-meter.js';

/** What becomes of requests that come while the model loads. */
export type Meanwhile = 'queue' | 'refuse';

/** Whether what was loaded may take the place of the present load. */
export type IsGood = (present: LoadedModelInfo, second: LoadedModelInfo) => boolean;

export interface ResidenceOptions {
  readonly spec: ModelSpec;
  readonly log: EngineLog;
  readonly loader: EngineLoader;
  readonly queue: RequestQueue;
  readonly meter: UsageMeter;
  /** How long it is kept without being used, in milliseconds; undefined: always. */
  readonly keepAliveMs?: number | undefined;
  /** It was not used for so long. */
  readonly onUnused: () => void;
}

/**
 * Whether a model is loaded: its states and their changes. There is at most one load at a time; only `replace()` loads beside an engine
 * that is there. `unload()` and `replace()` are for `ready`, one at a time.
 */
export class Residence {
  readonly #options: ResidenceOptions;
  readonly #retries = new LoadRetries();
  readonly #restarts: RestartLoop;
  readonly #loadLog: say.LoadLog;
  readonly #keepAlive: KeepAlive;
  readonly #ending = new AbortController();
  #state: EngineState = 'idle';
  #meanwhile: Meanwhile = 'queue';
  /** The one that requests go to. */
  #session: EngineSession | undefined;
  /** Replaced by a reload. */
  readonly #retired: RetiredSessions;
  /** The load under way, or the present one. */
  #loading: Promise<LoadedModelInfo> | undefined;
  /** The load beside the present session. */
  #second: Promise<LoadedModelInfo> | undefined;
  /** The end of the session under way. */
  #unloading: Promise<void> | undefined;

  constructor(options: ResidenceOptions) {
    this.#options = options;
    const { spec, log, loader, queue, keepAliveMs, onUnused } = options;
    this.#restarts = new RestartLoop(spec, log, this.#ending.signal, () => loader.load());
    this.#loadLog = new say.LoadLog(spec.name, log);
    this.#retired = new RetiredSessions(this.#ending.signal);
    this.#keepAlive = new KeepAlive(
      keepAliveMs,
      () => queue.waiting > 0 || this.sessions.some(({ size }) => size > 0),
      onUnused,
    );
  }

  get state(): EngineState {
    return this.#state;
  }

  /** Why the last load failed; undefined: it didn't, or another one is under way. */
  get failure(): ResidentError | undefined {
    return this.#retries.failure;
  }

  get session(): EngineSession | undefined {
    return this.#session;
  }

  /** All that hold the model. */
  get sessions(): readonly EngineSession[] {
    return this.#session ? [this.#session, ...this.#retired.all] : this.#retired.all;
  }

  /** Whether requests are answered, though maybe not before a load. */
  get takesRequests(): boolean {
    return this.refusal() === undefined && !this.#retries.isFailing;
  }

  get isEnding(): boolean {
    return this.#state === 'draining' || this.#state === 'stopped';
  }

  /** A request came or ended. */
  used(): void {
    this.#keepAlive.used();
  }

  /**
   * Loads the model; concurrent calls share one load, and when it is loaded this returns at once.
   * @param meanwhile for requests that come before it is loaded
   * @throws ModelLoadError
   */
  load(meanwhile: Meanwhile = 'queue'): Promise<LoadedModelInfo> {
    if (this.isEnding) return Promise.reject(say.draining());
    if (this.#unloading) return this.#unloading.then(() => this.load(meanwhile));
    return this.#loading ?? this.#begin(meanwhile);
  }

  /**
   * The same as a request does it: a load that failed isn't tried again at once.
   * @throws ModelLoadError
   */
  demand(): Promise<LoadedModelInfo> {
    const refusal = this.#state === 'failed' ? this.refusal() : undefined;
    return refusal ? Promise.reject(refusal) : this.load();
  }

  /** Requests wait that nothing else will have served. */
  loadForQueue(): void {
    this.demand().catch((error: unknown) => this.#options.log.warn(messageOf(error)));
  }

  /** Hands the request to the engine, now or as soon as there is one. */
  place(flight: Flight<FlightEvent>): void {
    const { queue } = this.#options;
    if (flight.stream.ended) return;
    if (this.#state === 'ready') return this.#session?.take(flight);
    if (this.#state === 'loading' || this.#state === 'unloading') return queue.hold(flight);
    const refusal = this.refusal();
    if (refusal) return flight.stream.fail(refusal);
    queue.hold(flight);
    this.loadForQueue();
  }

  /** Why a request that comes now is refused; undefined: it isn't. */
  refusal(): ResidentError | undefined {
    if (this.isEnding) return say.draining();
    if (this.#state === 'failed') return this.#retries.refusal();
    if (this.#state !== 'loading' || this.#meanwhile === 'queue') return undefined;
    return say.notYet(this.#options.spec.name, this.#options.meter.loads > 0);
  }

  /** Waits for a load under way, however it ends. */
  async settled(): Promise<void> {
    while (this.#state === 'loading') await this.#loading?.catch(() => undefined);
  }

  /** From `failed` to `idle`: the next request loads, and need not wait. */
  forgetFailure(): void {
    if (this.#state !== 'failed') return;
    this.#state = 'idle';
    this.#retries.succeeded();
  }

  /** Whether it is loaded and has not been used for as long as it is kept. */
  get isUnused(): boolean {
    return this.#state === 'ready' && this.#keepAlive.isOver;
  }

  /**
   * From `ready` to `idle`: ends the engine (those that were replaced, too) when its requests have ended, at most so many milliseconds
   * from now. Requests that come meanwhile wait; who calls this has them served.
   */
  unload(drainMs: number): Promise<void> {
    this.#unloading = this.#end(drainMs).finally(() => (this.#unloading = undefined));
    return this.#unloading;
  }

  /**
   * Loads beside the present session, and has requests go there from then on.
   * @throws ModelLoadError; the present session stays, unless it died meanwhile: then it is started again
   */
  async replace(isGood: IsGood): Promise<LoadedModelInfo> {
    this.#second = this.#loadSecond(isGood);
    try {
      return await this.#second;
    } catch (error) {
      if (this.isEnding) throw say.draining();
      if (this.#state === 'loading' && this.#loading) return await this.#loading;
      throw error;
    } finally {
      this.#second = undefined;
    }
  }

  /** No new requests, restarts or unloads from now on; what was accepted may end. */
  drain(): void {
    // whoever waits for a load that won't be made now
    if (this.#state !== 'loading') this.#options.queue.failAll(say.draining());
    this.#close('draining');
  }

  /** Ends everything, in whatever state. */
  async stop(): Promise<void> {
    this.#close('stopped');
    this.#options.queue.failAll(say.draining());
    await Promise.all([this.#options.loader.end(), ...this.sessions.map(({ engine }) => engine.stop())]);
  }

  #close(state: 'draining' | 'stopped'): void {
    this.#state = state;
    this.#keepAlive.stop();
    this.#ending.abort();
  }

  #begin(meanwhile: Meanwhile): Promise<LoadedModelInfo> {
    this.#state = 'loading';
    this.#meanwhile = meanwhile;
    this.#retries.began();
    return this.#track(this.#options.loader.load().then((session) => this.#install(session)));
  }

  /** Has everybody share this load, and its failure. */
  #track(load: Promise<LoadedModelInfo>): Promise<LoadedModelInfo> {
    this.#loading = load.catch((error: unknown) => {
      throw this.#failed(error);
    });
    this.#loading.catch(() => undefined); // requests that wait are told themselves
    return this.#loading;
  }

  #failed(error: unknown): ResidentError {
    const failure = this.isEnding ? say.draining() : asResidentError(error);
    this.#loading = undefined;
    if (!this.isEnding) {
      this.#state = 'failed';
      this.#retries.failed(failure);
      this.#restarts.reset();
    }
    this.#options.queue.failAll(failure);
    return failure;
  }

  #install(session: EngineSession): LoadedModelInfo {
    const { meter, queue } = this.#options;
    const { engine, info } = session;
    if (this.#state === 'stopped') {
      void engine.stop();
      throw say.draining();
    }
    this.#session = session;
    this.#loading = Promise.resolve(info);
    this.#second = undefined; // if it was that one, its death is followed by a restart like any other
    void engine.exited.then((how) => this.#exited(session, how));
    meter.loaded(info);
    this.#retries.succeeded();
    if (!this.isEnding) {
      this.#state = 'ready';
      this.#keepAlive.start();
    }
    this.#loadLog.loaded(info);
    session.askForStats();
    queue.releaseTo(session);
    return info;
  }

  #exited(session: EngineSession, how: string): void {
    const { spec, log, queue, meter, loader } = this.#options;
    const flights = session.takeRetriable();
    if (this.#retired.left(session)) return flights.forEach((flight) => this.place(flight));
    this.#session = undefined;
    this.#keepAlive.stop();
    meter.ended();
    if (this.isEnding) return flights.forEach(({ stream }) => stream.fail(say.draining()));
    for (const flight of flights) queue.hold(flight);
    if (this.#state === 'unloading') return; // as it should
    log.warn(`the engine process of '${spec.name}' ${how}`);
    meter.restarted();
    this.#restarts.died(session, (device, reason) => loader.avoid(device, reason));
    this.#state = 'loading';
    this.#meanwhile = 'refuse';
    const restart = async (): Promise<LoadedModelInfo> => this.#install(await this.#restarts.run());
    void this.#track(this.#second?.catch(restart) ?? restart());
  }

  async #end(drainMs: number): Promise<void> {
    const { sessions } = this;
    this.#state = 'unloading';
    this.#loading = undefined;
    this.#keepAlive.stop();
    await Promise.all(sessions.map((session) => session.whenEmpty(this.#ending.signal, drainMs)));
    if (this.isEnding) return;
    await Promise.all(sessions.map((session) => session.end(say.unloaded(this.#options.spec.name))));
    if (!this.isEnding) this.#state = 'idle';
  }

  async #loadSecond(isGood: IsGood): Promise<LoadedModelInfo> {
    const session = await this.#options.loader.load();
    const present = this.#session;
    if (this.isEnding || (present && !isGood(present.info, session.info))) {
      await session.engine.stop();
      throw say.noRoom(this.#options.spec.name);
    }
    const info = this.#install(session);
    if (present) this.#retired.add(present);
    return info;
  }
}
