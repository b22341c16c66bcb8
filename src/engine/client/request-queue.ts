import { UnavailableError, type ResidentError } from '../errors.js';
import type { Priority } from '../types.js';
import type { EngineSession } from './engine-session.js';
import type { Flight, FlightEvent } from './flight.js';

/** Requests of one priority under way or waiting, unless the model says otherwise. */
const MAX_QUEUE = 1024;

/** Counts the requests to one model, and keeps those that wait until it is loaded. */
export class RequestQueue {
  readonly #name: string;
  readonly #most: number;
  readonly #active: Record<Priority, number> = { interactive: 0, background: 0 };
  readonly #waiting = new Set<Flight<FlightEvent>>();
  readonly #onEmpty: () => void;

  /** @param onEmpty the last request was settled */
  constructor(name: string, most: number = MAX_QUEUE, onEmpty: () => void) {
    this.#name = name;
    this.#most = most;
    this.#onEmpty = onEmpty;
  }

  /** Requests whose end their consumer hasn't seen. */
  get active(): number {
    return this.#active.interactive + this.#active.background;
  }

  /** Requests that no engine has yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Counts one more, until `settled` is called.
   * @throws UnavailableError if there are as many as there may be
   */
  enter(priority: Priority): void {
    if (this.#active[priority] >= this.#most)
      throw new UnavailableError(
        'queue_full',
        `The model '${this.#name}' has all the requests that it takes on. Try again shortly.`,
      );
    this.#active[priority]++;
  }

  settled(priority: Priority): void {
    this.#active[priority]--;
    if (this.active === 0) this.#onEmpty();
  }

  /** Keeps it until it is released, failed, cancelled or late. */
  hold(flight: Flight<FlightEvent>): void {
    if (flight.stream.ended) return;
    this.#waiting.add(flight);
    flight.onCancel = () => undefined;
    flight.onEnd = () => this.#waiting.delete(flight);
  }

  /** In the order in which they came. */
  releaseTo(session: EngineSession): void {
    for (const flight of this.#takeAll()) session.take(flight);
  }

  failAll(error: ResidentError): void {
    for (const { stream } of this.#takeAll()) stream.fail(error);
  }

  #takeAll(): Flight<FlightEvent>[] {
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const flight of all) flight.onEnd = () => undefined;
    return all;
  }
}
