import type { Prices } from './residency-options.interface.js';

const GB = 2 ** 30;
const HOUR_SECONDS = 3600;

/** What a model takes, as measured. */
export interface ModelCost {
  /** While it is resident, in bytes. */
  readonly memoryBytes: number;
  /** Of one load, all threads together. */
  readonly loadCpuSeconds: number;
}

/** Where keeping a model costs as much as loading it when it is asked for. */
export interface BreakEven {
  /** Of keeping it for an hour, in the currency of the prices. */
  readonly keepHourCost: number;
  /** Of one load. */
  readonly loadCost: number;
  /** With more requests than this, a minute, keeping it costs less than a load for each. */
  readonly requestsPerMinute: number;
  /** Keeping it so long costs as much as one load, in seconds; null: it may be kept for ever, memory costs nothing. */
  readonly idleSeconds: number | null;
}

/** @returns undefined if either was measured as nothing: then there is nothing to compare */
export function breakEven({ memoryBytes, loadCpuSeconds }: ModelCost, prices: Prices): BreakEven | undefined {
  if (memoryBytes <= 0 || loadCpuSeconds <= 0) return undefined;
  const keepHourCost = (memoryBytes / GB) * prices.gbHourPrice;
  const loadCost = (loadCpuSeconds / HOUR_SECONDS) * prices.cpuHourPrice;
  return {
    keepHourCost,
    loadCost,
    requestsPerMinute: keepHourCost / loadCost / 60,
    idleSeconds: keepHourCost === 0 ? null : (loadCost / keepHourCost) * HOUR_SECONDS,
  };
}
