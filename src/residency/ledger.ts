import type { EngineState } from '../engine/client/engine-state.js';
import type { ModelUsage } from '../model/model-usage.js';
import { breakEven, type BreakEven } from './break-even.js';
import type { Prices } from './residency-options.interface.js';
import { suggest, type Suggestion } from './suggest.js';

/** What keeping one model resident cost and saved since the server started. Times are seconds. */
export interface ResidencyEntry {
  readonly model: string;
  readonly state: EngineState;
  readonly loads: number;
  /** Of all loads together. */
  readonly loadSeconds: number;
  /** null before the first load. */
  readonly lastLoadSeconds: number | null;
  /** CPU time of one load, on average, all threads together; null before the first. */
  readonly loadCpuSeconds: number | null;
  /** Requests of every kind that were answered whole. */
  readonly requests: number;
  /** How long people would have waited for loads, had each request needed one of its own. */
  readonly reloadSecondsAvoided: number;
  /** Over the last ten minutes. */
  readonly requestsPerMinute: number;
  /** How long it was resident, altogether. */
  readonly residentSeconds: number;
  /** Resident memory of its engine process, in bytes; null where it isn't known. */
  readonly memoryBytes: number | null;
  /** null until load and memory are measured. */
  readonly breakEven: BreakEven | null;
  readonly suggestion: Suggestion | null;
}

/** @param memoryBytes of its engine, now or when it was loaded last */
export function toEntry(
  usage: ModelUsage,
  requestsPerMinute: number,
  memoryBytes: number | undefined,
  prices: Prices,
): ResidencyEntry {
  const { name, state, loads, lastLoadMs, loadCpuMs, requests, residentSeconds } = usage;
  const loadSeconds = meanLoadMs(usage) / 1000;
  const loadCpuSeconds = loads === 0 ? null : loadCpuMs / loads / 1000;
  const cost =
    memoryBytes === undefined || loadCpuSeconds === null ? undefined : { memoryBytes, loadCpuSeconds };
  const even = cost && breakEven(cost, prices);
  return {
    model: name,
    state,
    loads,
    loadSeconds: usage.loadMs / 1000,
    lastLoadSeconds: lastLoadMs === undefined ? null : lastLoadMs / 1000,
    loadCpuSeconds,
    requests,
    reloadSecondsAvoided: reloadSecondsAvoided(usage),
    requestsPerMinute,
    residentSeconds,
    memoryBytes: memoryBytes ?? null,
    breakEven: even ?? null,
    suggestion: cost && even ? suggest(cost, { requestsPerMinute, loadSeconds }, even) : null,
  };
}

/** Loads that weren't needed, as long as one takes on average. */
export function reloadSecondsAvoided(usage: Pick<ModelUsage, 'requests' | 'loads' | 'loadMs'>): number {
  return (Math.max(0, usage.requests - usage.loads) * meanLoadMs(usage)) / 1000;
}

function meanLoadMs({ loads, loadMs }: Pick<ModelUsage, 'loads' | 'loadMs'>): number {
  return loads === 0 ? 0 : loadMs / loads;
}
