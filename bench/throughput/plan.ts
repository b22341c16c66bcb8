import type { TimedJob } from '../load/run-load.js';
import type { PromptWriter } from '../load/prompts.js';
import { exponentialGap, seededRandom, wholeBetween } from '../support/seeded-random.js';
import type { MixedTrace, WorkloadName } from './results.js';

/** A request for every system: servers take the text, what has no tokenizer the tokens. */
export interface PlannedJob extends TimedJob {
  readonly tokens: readonly number[];
}

/** How much is asked of the systems. */
export interface Volume {
  readonly newTokens: number;
  /** Fewest requests in a cell; there are always enough for every client to have one, and whole waves of them. */
  readonly fewestRequests: { readonly short: number; readonly long: number };
  readonly mixed: MixedTrace;
}

/** One load. */
export type Cell =
  | { readonly workload: 'short' | 'long'; readonly concurrency: number }
  | { readonly workload: 'mixed'; readonly concurrency?: undefined };

export const PROMPT_TOKENS = { short: 20, long: 512 } as const;

/** In the order in which they are measured. */
export function planCells(workloads: readonly WorkloadName[], concurrencies: readonly number[]): Cell[] {
  return workloads.flatMap((workload): Cell[] =>
    workload === 'mixed' ? [{ workload }] : concurrencies.map((concurrency) => ({ workload, concurrency })),
  );
}

/**
 * What a cell asks in a round. Prompts differ between requests, cells and rounds, so that no cache of prefixes helps, and
 * are the same for every system; so is the trace of what arrives over time, in every round.
 */
export function planJobs(cell: Cell, round: number, volume: Volume, writer: PromptWriter): PlannedJob[] {
  if (cell.workload === 'mixed') return planMixed(volume.mixed, round, writer);
  const { workload, concurrency } = cell;
  const waves = Math.ceil(volume.fewestRequests[workload] / concurrency);
  return Array.from({ length: waves * concurrency }, (_, i) =>
    job(writer, `${workload}/${concurrency}/${round}/${i}`, PROMPT_TOKENS[workload], volume.newTokens, 0),
  );
}

function planMixed(trace: MixedTrace, round: number, writer: PromptWriter): PlannedJob[] {
  const random = seededRandom('mixed trace');
  let at = 0;
  return Array.from({ length: trace.requests }, (_, i) => {
    const promptTokens = wholeBetween(random, ...trace.promptTokens);
    const newTokens = wholeBetween(random, ...trace.newTokens);
    const planned = job(writer, `mixed/${round}/${i}`, promptTokens, newTokens, at);
    at += exponentialGap(random, trace.perSecond);
    return planned;
  });
}

/** A load that is not measured: every kind of work once, with as many clients at a time as there will be. */
export function planWarmUp(concurrency: number, longest: number, writer: PromptWriter): PlannedJob[] {
  return Array.from({ length: concurrency }, (_, i) =>
    job(writer, `warm-up/${i}`, i === 0 ? longest : PROMPT_TOKENS.short, 8, 0),
  );
}

function job(
  writer: PromptWriter,
  seed: string,
  promptTokens: number,
  newTokens: number,
  at: number,
): PlannedJob {
  const { text, tokens } = writer.write(seed, promptTokens);
  return { prompt: text, tokens, promptTokens, newTokens, at };
}

/**
 * Whether a system measures a cell once more: as long as there are rounds, and time for one more like the last.
 * @param elapsed of its rounds so far, in milliseconds
 */
export function wantsRound(elapsed: readonly number[], rounds: number, budget: number): boolean {
  const spent = elapsed.reduce((total, ms) => total + ms, 0);
  return elapsed.length < rounds && spent + (elapsed.at(-1) ?? 0) <= budget;
}

/** In groups of `size`, the last of which may be smaller. */
export function inWaves<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}
