import { describe, expect, it } from 'vitest';
import { summarizeWaves } from '../../../bench/raw/bare-figures.js';
import { groupByTokens, runRawLoop } from '../../../bench/raw/raw-loop.js';
import type { RawModel, RawRow } from '../../../bench/raw/raw-model.js';
import { StepTimer } from '../../../bench/steps/step-timer.js';

type Cache = number[];

/** The next token is one more than the last. */
class CountingModel implements RawModel<Cache> {
  readonly passes: { readonly rows: number; readonly tokens: number }[] = [];
  readonly live = new Set<Cache>();
  readonly ended: Cache[] = [];

  createCache(): Cache {
    const cache: Cache = [];
    this.live.add(cache);
    return cache;
  }

  async forward(rows: readonly RawRow<Cache>[]): Promise<Float32Array[]> {
    this.passes.push({ rows: rows.length, tokens: rows.flatMap(({ tokens }) => tokens).length });
    return rows.map(({ cache, tokens }) => {
      if (!this.live.has(cache)) throw new Error('this row has ended');
      cache.push(...tokens);
      const logits = new Float32Array(5000);
      logits[((tokens.at(-1) ?? 0) + 1) % 5000] = 1;
      return logits;
    });
  }

  release(cache: Cache): void {
    if (!this.live.delete(cache)) throw new Error('this row has ended already');
    this.ended.push(cache);
  }
}

function repeated<T extends object>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => ({ ...value }));
}

describe('runRawLoop', () => {
  it('decodes all rows in every step, and each goes on from its own last token', async () => {
    const model = new CountingModel();
    const wave = await runRawLoop(model, { prompts: [[1, 2], [10, 20, 30], [7]], newTokens: 4 });
    expect(model.passes).toEqual([{ rows: 3, tokens: 6 }, ...repeated(3, { rows: 3, tokens: 3 })]);
    // the last token was made, but never went in
    expect(model.ended).toEqual([
      [1, 2, 3, 4, 5],
      [10, 20, 30, 31, 32, 33],
      [7, 8, 9, 10],
    ]);
    expect(wave).toMatchObject({ tokens: 12, decoded: 9 });
    expect(wave.decodeStart).toBeGreaterThanOrEqual(wave.start);
    expect(wave.end).toBeGreaterThanOrEqual(wave.decodeStart);
  });
});

describe('groupByTokens', () => {
  it('keeps groups below the limit, and lets a longer prompt be alone', () => {
    const prompts = [3, 3, 5, 12, 1].map((length) => Array.from({ length }, () => 0));
    const lengths = groupByTokens(prompts, 8).map((group) => group.map(({ length }) => length));
    expect(lengths).toEqual([[3, 3], [5], [12], [1]]);
  });
});

describe('summarizeWaves', () => {
  it('tells decoding from all of it', () => {
    const wave = { tokens: 20, start: 0, decodeStart: 100, end: 300, decoded: 16 };
    expect(summarizeWaves([wave, { ...wave, start: 1000, decodeStart: 1100, end: 1300 }])).toEqual({
      tokens: 40,
      elapsed: 600,
      tokensPerSecond: 40 / 0.6,
      decodeTokensPerSecond: 32 / 0.4,
    });
  });
});

describe('StepTimer', () => {
  it('grows rows from length to length, and says what the timed steps attended to', async () => {
    const model = new CountingModel();
    const costs = await new StepTimer(model, 4).timeGrowing(2, [10, 600]);
    // 10 tokens, 3 steps of warm-up, the middle of 4 more
    expect(costs.map(({ attended }) => attended)).toEqual([2 * 15, 2 * 605]);
    expect(model.ended.map(({ length }) => length)).toEqual([607, 607]);
    expect(Math.max(...model.passes.map(({ tokens }) => tokens))).toBe(512);
    expect(model.live.size).toBe(0);
  });

  it('times the rows that stay, after the others ended, beside those that only keep their cache', async () => {
    const model = new CountingModel();
    const cost = await new StepTimer(model, 4).timeScenario({ rows: [5, 9], left: [700], parked: [20] });
    expect(cost.attended).toBe(14);
    const [left, ...others] = model.ended;
    expect(left).toHaveLength(703);
    expect(others.map(({ length }) => length)).toEqual([5 + 3 + 3 + 4, 9 + 3 + 3 + 4, 20]);
    expect(model.passes.slice(-7)).toEqual(repeated(7, { rows: 2, tokens: 2 }));
  });
});
