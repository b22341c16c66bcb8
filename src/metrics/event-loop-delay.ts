import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';

/** How often the loop is looked at, in milliseconds: a stall shorter than this may be missed. */
const RESOLUTION_MS = 20;
const NANOSECONDS = 1e9;

/** How late the turns of this process's event loop were, in seconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Times between looks at the event loop, in nanoseconds. */
type Looks = Pick<IntervalHistogram, 'enable' | 'disable' | 'reset' | 'percentile' | 'count' | 'max'>;

/** Watches the event loop from `start` to `stop`. */
export class EventLoopDelay {
  readonly #histogram: Looks;

  constructor(histogram: Looks = monitorEventLoopDelay({ resolution: RESOLUTION_MS })) {
    this.#histogram = histogram;
  }

  start(): void {
    this.#histogram.enable();
  }

  stop(): void {
    this.#histogram.disable();
  }

  /** Since the last reading. */
  read(): LoopDelay {
    const { count, max } = this.#histogram;
    const delay = {
      p50: lateness(count, this.#histogram.percentile(50)),
      p99: lateness(count, this.#histogram.percentile(99)),
      max: lateness(count, max),
    };
    this.#histogram.reset();
    return delay;
  }
}

/** @param interval between two looks, in nanoseconds: what is longer than it should be is the delay */
function lateness(looks: number, interval: number): number {
  return looks === 0 ? 0 : Math.max(0, interval / NANOSECONDS - RESOLUTION_MS / 1000);
}
