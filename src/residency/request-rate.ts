/** How requests are counted: in buckets of ten seconds, the last ten minutes of them. */
export const RATE_WINDOW = { buckets: 60, bucketMs: 10_000 } as const;

/** A rate over less than this would say more about the moment than about the traffic, in milliseconds. */
const SHORTEST_MS = 60_000;
const MINUTE_MS = 60_000;

interface RateWindow {
  readonly buckets: number;
  readonly bucketMs: number;
}

/**
 * Counts events over a sliding window, in a ring of buckets: constant memory, whatever the traffic. Every bucket that is at least
 * partly younger than the window counts, so that the window is up to one bucket shorter than its full length; the rate divides by
 * what it covers. Times are milliseconds of one clock that doesn't go back.
 */
export class RequestRate {
  readonly #start: number;
  readonly #window: RateWindow;
  readonly #counts: Uint32Array;
  /** Number of the bucket written last, counted from the clock's zero. */
  #latest: number;

  /** @param start from when on events are counted */
  constructor(start: number, window: RateWindow = RATE_WINDOW) {
    this.#start = start;
    this.#window = window;
    this.#counts = new Uint32Array(window.buckets);
    this.#latest = this.#numberOf(start);
  }

  record(now: number): void {
    this.#advance(now);
    const at = this.#latest % this.#counts.length;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** Events a minute, over the window or since the start if that is shorter, but over a minute at least. */
  perMinute(now: number): number {
    this.#advance(now);
    const { buckets, bucketMs } = this.#window;
    const windowStart = (this.#latest - buckets + 1) * bucketMs;
    const covered = Math.max(now - Math.max(windowStart, this.#start), SHORTEST_MS);
    return (this.#counts.reduce((total, count) => total + count, 0) / covered) * MINUTE_MS;
  }

  /** Empties the buckets whose time passed since. */
  #advance(now: number): void {
    const current = this.#numberOf(now);
    const { length } = this.#counts;
    for (let number = Math.max(this.#latest + 1, current - length + 1); number <= current; number++)
      this.#counts[number % length] = 0;
    this.#latest = Math.max(this.#latest, current);
  }

  #numberOf(time: number): number {
    return Math.floor(time / this.#window.bucketMs);
  }
}
