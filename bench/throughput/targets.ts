import { ratio, type Row } from './summary.js';
import type { SystemName } from './results.js';

/** What is asked of Resident under one workload, and what was measured. */
export interface Verdict {
  readonly target: string;
  /** Undefined where what it compares wasn't measured. */
  readonly measured: string | undefined;
  readonly met: boolean | undefined;
}

const HEALTH_P99_MS = 25;

type Find = (system: SystemName, concurrency: number) => Row | undefined;

/** @param rows of one model under one workload with fixed concurrencies */
export function judge(rows: readonly Row[]): Verdict[] {
  const find: Find = (system, concurrency) =>
    rows.find((row) => row.system === system && row.concurrency === concurrency);
  return [
    timesNaive(find, 16, 5),
    timesNaive(find, 1, 1.3),
    shareOfRaw(rows),
    aheadOfLlama(find, 8),
    aheadOfLlama(find, 16),
    health(rows),
    firstToken(find),
  ];
}

function timesNaive(find: Find, concurrency: number, least: number): Verdict {
  const times = find('resident', concurrency)?.timesNaive;
  return {
    target: `concurrency ${concurrency}: at least ${least}x the tok/s of naive`,
    ...verdict(
      times,
      (value) => value >= least,
      (value) => `${value.toFixed(1)}x`,
    ),
  };
}

/** At its lowest. */
function shareOfRaw(rows: readonly Row[]): Verdict {
  const shares = rows.flatMap(({ shareOfRaw: share, concurrency }) =>
    share === undefined ? [] : [{ share, concurrency }],
  );
  const lowest = shares.toSorted((a, b) => a.share - b.share)[0];
  return {
    target: 'at every concurrency: at least 90 % of the raw ceiling',
    ...verdict(
      lowest?.share,
      (value) => value >= 0.9,
      (value) => `${percent(value)} at ${lowest?.concurrency}`,
    ),
  };
}

/** All that Resident does, HTTP and prefill included, beside the other's decoding alone. */
function aheadOfLlama(find: Find, concurrency: number): Verdict {
  const times = ratio(
    find('resident', concurrency)?.tokensPerSecond,
    find('llama', concurrency)?.decodeTokensPerSecond,
  );
  return {
    target: `concurrency ${concurrency}: ahead of node-llama-cpp's decoding`,
    ...verdict(
      times,
      (value) => value > 1,
      (value) => `${value.toFixed(2)}x`,
    ),
  };
}

/** At its worst. */
function health(rows: readonly Row[]): Verdict {
  const p99s = rows.flatMap((row) => (row.system === 'resident' && row.health ? [row.health.p99] : []));
  return {
    target: `at every concurrency: p99 of /health/live under ${HEALTH_P99_MS} ms`,
    ...verdict(
      p99s.length > 0 ? Math.max(...p99s) : undefined,
      (value) => value < HEALTH_P99_MS,
      (value) => `${value.toFixed(1)} ms`,
    ),
  };
}

function firstToken(find: Find): Verdict {
  const share = ratio(find('resident', 16)?.ttft?.p99, find('naive', 16)?.ttft?.p99);
  return {
    target: 'concurrency 16: TTFT p99 under a quarter of that of naive',
    ...verdict(share, (value) => value < 0.25, percent),
  };
}

function verdict(
  value: number | undefined,
  met: (value: number) => boolean,
  format: (value: number) => string,
): Omit<Verdict, 'target'> {
  return value === undefined
    ? { measured: undefined, met: undefined }
    : { measured: format(value), met: met(value) };
}

function percent(value: number): string {
  return `${(value * 100).toFixed(0)} %`;
}
