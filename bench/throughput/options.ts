import { parseArgs } from 'node:util';
import { chooseAmong, commandLine, wholeNumber } from '../support/arguments.js';
import type { Volume } from './plan.js';
import { SYSTEMS, WORKLOADS, type SystemName, type WorkloadName } from './results.js';
import { KINDS, MODELS, type ModelName } from './subjects.js';

export interface ThroughputOptions {
  readonly model: ModelName;
  /** As `chooseSubjects` takes them. */
  readonly kinds: string;
  readonly concurrencies: readonly number[];
  readonly workloads: readonly WorkloadName[];
  readonly systems: readonly SystemName[];
  readonly rounds: number;
  /** A system doesn't begin another round of a cell that took this long already, in milliseconds. */
  readonly cellBudget: number;
  readonly volume: Volume;
  /** Of the files in `bench/results`. */
  readonly resultName: string;
  readonly reportOnly: boolean;
  /** What does the same again. */
  readonly command: string;
}

const FULL_CONCURRENCY = '1,4,8,16,32';
const QUICK_CONCURRENCY = '1,4';
const CELL_BUDGET_MS = 40_000;

const FULL_VOLUME: Volume = {
  newTokens: 64,
  fewestRequests: { short: 8, long: 4 },
  mixed: { requests: 24, perSecond: 1.5, promptTokens: [10, 400], newTokens: [10, 120] },
};

/** `tales` is some ten times as fast. */
const TALES_VOLUME: Volume = {
  newTokens: 64,
  fewestRequests: { short: 32, long: 16 },
  mixed: { requests: 48, perSecond: 6, promptTokens: [10, 400], newTokens: [10, 120] },
};

const QUICK_VOLUME: Volume = {
  newTokens: 16,
  fewestRequests: { short: 4, long: 2 },
  mixed: { requests: 6, perSecond: 4, promptTokens: [10, 100], newTokens: [5, 30] },
};

/** @throws Error naming the option that is wrong */
export function parseOptions(args: readonly string[]): ThroughputOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string', default: '135m' },
      kinds: { type: 'string', default: KINDS.join(',') },
      concurrency: { type: 'string' },
      workloads: { type: 'string', default: WORKLOADS.join(',') },
      systems: { type: 'string', default: 'naive,resident,raw' },
      rounds: { type: 'string' },
      peers: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      'report-only': { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  const [model = '135m'] = chooseAmong('model', values.model, MODELS);
  const systems = chooseAmong('systems', values.systems, SYSTEMS);
  const asked = new Set([...systems, ...(values.peers ? (['llama'] as const) : [])]);
  return {
    model,
    kinds: values.kinds,
    concurrencies: (values.concurrency ?? (quick ? QUICK_CONCURRENCY : FULL_CONCURRENCY))
      .split(',')
      .map((text) => wholeNumber('concurrency', text)),
    workloads: chooseAmong('workloads', values.workloads, WORKLOADS),
    // always in the same order
    systems: SYSTEMS.filter((name) => asked.has(name)),
    rounds: wholeNumber('rounds', values.rounds ?? (quick ? '1' : '3')),
    cellBudget: CELL_BUDGET_MS,
    volume: quick ? QUICK_VOLUME : model === 'tales' ? TALES_VOLUME : FULL_VOLUME,
    resultName: ['throughput', ...(model === 'tales' ? ['tales'] : []), ...(quick ? ['quick'] : [])].join(
      '-',
    ),
    reportOnly: values['report-only'],
    command: commandLine('bench', args),
  };
}
