import type { BreakEven, ModelCost } from './break-even.js';

export interface Suggestion {
  /** As the configuration has it: `always`, or an idle time like `30s`, `10m`, `2h`. */
  readonly keepAlive: string;
  /** One sentence with the figures. */
  readonly reason: string;
}

export interface Traffic {
  readonly requestsPerMinute: number;
  /** How long a load makes people wait, in seconds. */
  readonly loadSeconds: number;
}

/**
 * Requests that come oftener than the break-even rate: keep it always. Else unload it once the pause has cost as much as a load: who
 * doesn't know when the next request comes never pays more than twice what the best choice would have cost (the ski-rental rule).
 */
export function suggest(
  { memoryBytes, loadCpuSeconds }: ModelCost,
  { requestsPerMinute: rate, loadSeconds }: Traffic,
  { requestsPerMinute: breakEvenRate, idleSeconds }: BreakEven,
): Suggestion {
  const memory = `${brief(memoryBytes / 2 ** 30)} GB`;
  const load = `a load (${brief(loadCpuSeconds)} s of CPU time)`;
  if (idleSeconds === null) {
    const reason = `Keep it resident: memory costs nothing here, and a load lets people wait ${brief(loadSeconds)} s.`;
    return { keepAlive: 'always', reason };
  }
  if (rate >= breakEvenRate) {
    const reason =
      `Keep it resident: with ${brief(rate)} requests a minute, more than ${brief(breakEvenRate)}, its ${memory} cost less than ${load} for ` +
      `each, and loads would let people wait ${brief(rate * loadSeconds)} s a minute, all together.`;
    return { keepAlive: 'always', reason };
  }
  const keepAlive = toKeepAlive(idleSeconds);
  const reason =
    `Unload it after ${keepAlive} without a request: keeping its ${memory} longer costs more than ${load}, and ${brief(rate)} requests a ` +
    `minute are fewer than the ${brief(breakEvenRate)} that pay for keeping it; who comes after such a pause waits ${brief(loadSeconds)} s.`;
  return { keepAlive, reason };
}

/** The longest that the configuration takes. */
const LONGEST_HOURS = 576;

/** In the largest unit that has two digits, at least a second. */
export function toKeepAlive(seconds: number): string {
  const minutes = seconds / 60;
  if (minutes < 10) return `${Math.max(1, Math.round(seconds))}s`;
  return minutes < 600 ? `${Math.round(minutes)}m` : `${Math.min(LONGEST_HOURS, Math.round(minutes / 60))}h`;
}

function brief(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: value < 100 ? 2 : 3 });
}
