import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import type { EngineStats } from '../protocol.js';

/** How often the loop is looked at, in milliseconds. Node counts the time between two looks, which is at least this long. */
const RESOLUTION_MS = 20;

/** Tells what this process takes up. */
export class StatsReader {
  /** Since the first reading: whoever never asks pays nothing. */
  #delay: IntervalHistogram | undefined;

  read(): EngineStats {
    const rss = process.memoryUsage.rss();
    if (!this.#delay) {
      this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      this.#delay.enable();
      return { rss };
    }
    const p99 = this.#delay.percentile(99) / 1e6;
    this.#delay.reset();
    return { rss, eventLoopDelayP99Ms: Math.max(0, p99 - RESOLUTION_MS) };
  }
}
