import type { Spread } from '../load/load-figures.js';
import { median } from '../support/statistics.js';
import { SYSTEMS, type CellResult, type Sample, type SystemName, type WorkloadName } from './results.js';

/** One system under one load, over its rounds: medians, unless said otherwise. */
export interface Row {
  readonly system: SystemName;
  readonly workload: WorkloadName;
  readonly concurrency: number | undefined;
  readonly rounds: number;
  readonly tokensPerSecond: number;
  readonly slowest: number;
  readonly fastest: number;
  readonly decodeTokensPerSecond: number | undefined;
  /** Of the tokens per second of the naive server under the same load. */
  readonly timesNaive: number | undefined;
  /** Of the tokens per second of the raw ceiling at the same batch size; only Resident's, whose session that runs. */
  readonly shareOfRaw: number | undefined;
  readonly ttft: Spread | undefined;
  readonly interToken: Spread | undefined;
  readonly health: Spread | undefined;
}

/** A row for each system that ran. */
export function summarizeCell({ workload, concurrency, samples }: CellResult): Row[] {
  const speeds = Object.fromEntries(
    SYSTEMS.map((system) => [system, medianOf(samples[system] ?? [], (sample) => sample.tokensPerSecond)]),
  ) as Record<SystemName, number | undefined>;
  return SYSTEMS.flatMap((system): Row[] => {
    const own = samples[system] ?? [];
    const tokensPerSecond = speeds[system];
    if (tokensPerSecond === undefined) return [];
    const all = own.map((sample) => sample.tokensPerSecond);
    return [
      {
        system,
        workload,
        concurrency,
        rounds: own.length,
        tokensPerSecond,
        slowest: Math.min(...all),
        fastest: Math.max(...all),
        decodeTokensPerSecond: medianOf(own, (sample) => sample.decodeTokensPerSecond),
        timesNaive: ratio(tokensPerSecond, speeds.naive),
        shareOfRaw: system === 'resident' ? ratio(tokensPerSecond, speeds.raw) : undefined,
        ttft: medianSpread(own, ({ ttft }) => ttft),
        interToken: medianSpread(own, ({ interToken }) => interToken),
        health: medianSpread(own, ({ health }) => health),
      },
    ];
  });
}

export function ratio(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}

function medianSpread(
  samples: readonly Sample[],
  spread: (sample: Sample) => Spread | undefined,
): Spread | undefined {
  const p50 = medianOf(samples, (sample) => spread(sample)?.p50);
  const p99 = medianOf(samples, (sample) => spread(sample)?.p99);
  return p50 === undefined || p99 === undefined ? undefined : { p50, p99 };
}

function medianOf(
  samples: readonly Sample[],
  value: (sample: Sample) => number | undefined,
): number | undefined {
  const values = samples.map(value).filter((one): one is number => Number.isFinite(one));
  return values.length === 0 ? undefined : median(values);
}

export interface TextComparison {
  readonly same: number;
  readonly compared: number;
}

/** How many requests two servers answered with the same text, over the rounds that both ran. */
export function compareTexts(cells: readonly CellResult[], a: SystemName, b: SystemName): TextComparison {
  let same = 0;
  let compared = 0;
  for (const { samples } of cells) {
    for (const [round, { texts = [] }] of (samples[a] ?? []).entries()) {
      const others = samples[b]?.[round]?.texts;
      if (!others) continue;
      compared += texts.length;
      same += texts.filter((text, i) => text === others[i]).length;
    }
  }
  return { same, compared };
}
