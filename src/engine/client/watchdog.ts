/** How often a process is asked within its limit. */
const ASKS_PER_LIMIT = 4;

/**
 * Notices a process that no longer answers: while it has work it is asked now and then, and answers between two steps. Says
 * so once, when nothing was heard for the limit.
 */
export class Watchdog {
  readonly #interval: number;
  readonly #limit: number;
  readonly #ask: () => void;
  readonly #onSilence: () => void;
  #timer: NodeJS.Timeout | undefined;
  #heardAt = 0;
  #tickedAt = 0;

  /** @param limit in milliseconds */
  constructor(limit: number, ask: () => void, onSilence: () => void) {
    this.#limit = limit;
    this.#interval = limit / ASKS_PER_LIMIT;
    this.#ask = ask;
    this.#onSilence = onSilence;
  }

  /** There is work. */
  start(): void {
    if (this.#timer) return;
    this.#heardAt = this.#tickedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#interval);
    this.#timer.unref();
  }

  /** The process said something. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** There is no work any more. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const now = performance.now();
    // this process itself stood still (a debugger, a laptop that slept): the other one had no chance to answer
    if (now - this.#tickedAt > 2 * this.#interval) this.#heardAt = now;
    this.#tickedAt = now;
    if (now - this.#heardAt < this.#limit) return this.#ask();
    this.stop();
    this.#onSilence();
  }
}
