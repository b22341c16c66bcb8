import { pause } from '../pause.js';
import type { ResidentError } from '../errors.js';
import type { EngineStats } from '../protocol.js';
import type { LoadedModelInfo } from '../types.js';
import type { Engine } from './engine.js';
import type { Flight, FlightEvent } from './flight.js';

/** What Node's timers can hold, in milliseconds: 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** An engine that holds its model, and the requests that it works on. */
export class EngineSession {
  /** What the model can't do as well as it should: a sentence; undefined: it is well. */
  degraded: string | undefined;
  /** As the engine told last. */
  stats: EngineStats | undefined;
  readonly readyAt = performance.now();
  readonly #flights = new Set<Flight<FlightEvent>>();
  readonly #onUse: () => void;
  /** Aborts when the last of its requests ends. */
  #empty: AbortController | undefined;
  #asking = false;

  /** @param onUse a request came or ended */
  constructor(
    readonly engine: Engine,
    readonly info: LoadedModelInfo,
    onUse: () => void,
  ) {
    this.#onUse = onUse;
  }

  /** Requests that it works on. What is answered whole doesn't count, though its consumer may not have read it. */
  get size(): number {
    return this.#flights.size;
  }

  take(flight: Flight<FlightEvent>): void {
    if (flight.stream.ended) return;
    this.#flights.add(flight);
    flight.onEnd = () => this.#left(flight);
    this.#onUse();
    this.engine.take(flight);
  }

  /** Of an engine that has ended. */
  takeRetriable(): Flight<FlightEvent>[] {
    const flights = this.engine.takeRetriable();
    for (const flight of flights) this.#left(flight);
    return flights;
  }

  /** Resolves when none of its requests is left, after so many milliseconds, or when the signal aborts. */
  async whenEmpty(signal: AbortSignal, timeoutMs = LONGEST_TIMER_MS): Promise<void> {
    if (this.#flights.size === 0) return;
    this.#empty ??= new AbortController();
    await pause(timeoutMs, AbortSignal.any([signal, this.#empty.signal]));
  }

  /** Ends the engine; what is still in flight fails with this error. */
  async end(error: ResidentError): Promise<void> {
    this.engine.failAll(error);
    await this.engine.stop();
  }

  /** Asks the engine for its `stats`, unless an answer is due already. */
  askForStats(): void {
    if (!this.#asking) void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    this.stats = (await this.engine.stats()) ?? this.stats;
    this.#asking = false;
  }

  #left(flight: Flight<FlightEvent>): void {
    flight.onEnd = () => undefined;
    this.#flights.delete(flight);
    this.#onUse();
    if (this.#flights.size === 0) this.#empty?.abort();
  }
}
