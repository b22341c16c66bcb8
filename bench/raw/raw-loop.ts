import type { BareJob, Wave } from './bare-figures.js';
import type { RawModel, RawRow } from './raw-model.js';

/** Prompt tokens in one pass: a pass of all prompts at once would only need more memory. */
const PREFILL_TOKENS = 512;

/** A row under way: its cache, and the token that goes in next. */
export interface LiveRow<Cache> {
  readonly cache: Cache;
  next: number;
}

/**
 * The ceiling: all prompts in, then one step after another with all rows in it, and of each row's logits the largest.
 * Nothing is scheduled, detokenized or sent.
 */
export async function runRawLoop<Cache>(
  model: RawModel<Cache>,
  { prompts, newTokens }: BareJob,
): Promise<Wave> {
  const start = performance.now();
  const rows: LiveRow<Cache>[] = [];
  for (const group of groupByTokens(prompts, PREFILL_TOKENS)) {
    const pass = group.map((tokens) => ({ cache: model.createCache(tokens), tokens }));
    const firsts = await nextTokens(model, pass);
    rows.push(...pass.map(({ cache }, i) => ({ cache, next: firsts[i] as number })));
  }
  const decodeStart = performance.now();
  for (let step = 1; step < newTokens; step++) await decodeStep(model, rows);
  const end = performance.now();
  for (const { cache } of rows) model.release(cache);
  const decoded = rows.length * (newTokens - 1);
  return { tokens: rows.length * newTokens, start, decodeStart, end, decoded };
}

/** One token more for every row. */
export async function decodeStep<Cache>(
  model: RawModel<Cache>,
  rows: readonly LiveRow<Cache>[],
): Promise<void> {
  const pass = rows.map(({ cache, next }) => ({ cache, tokens: [next] }));
  const tokens = await nextTokens(model, pass);
  for (const [i, row] of rows.entries()) row.next = tokens[i] as number;
}

async function nextTokens<Cache>(model: RawModel<Cache>, rows: readonly RawRow<Cache>[]): Promise<number[]> {
  return (await model.forward(rows)).map(argmax);
}

/** Neighbours share a group as long as it has no more than `limit` tokens. */
export function groupByTokens(
  prompts: readonly (readonly number[])[],
  limit: number,
): (readonly number[])[][] {
  const groups: (readonly number[])[][] = [];
  let room = 0;
  for (const prompt of prompts) {
    if (prompt.length > room) {
      groups.push([]);
      room = limit;
    }
    groups.at(-1)?.push(prompt);
    room -= prompt.length;
  }
  return groups;
}

function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i;
  }
  return best;
}
