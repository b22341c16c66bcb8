import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { EncodeLoop } from '../../../src/engine/encoding/encode-loop.js';
import type { EncoderRow } from '../../../src/engine/encoding/encoder-model.js';
import type { GenerationError } from '../../../src/engine/errors.js';
import type { CallContext } from '../../../src/engine/encoding/model-calls.js';

const BUDGET = 256;

function rows(lengths: readonly number[]): EncoderRow[] {
  return lengths.map((length) => ({ tokens: new Int32Array(length) }));
}

function context(id: number): CallContext {
  return { id, priority: 'interactive', client: '', signal: new AbortController().signal };
}

/** Says of each row how many tokens it has; has memory for so many of them. */
function loopOf(memory: () => number, onCondition?: (degraded: string | undefined) => void) {
  const passes: number[] = [];
  const forward = async (pass: readonly EncoderRow[]): Promise<Float32Array[]> => {
    const tokens = pass.length * Math.max(...pass.map((row) => row.tokens.length));
    passes.push(tokens);
    if (tokens > memory()) throw new Error('std::bad_alloc');
    return pass.map((row) => Float32Array.of(row.tokens.length));
  };
  const limits = { tokens: BUDGET, backgroundTokens: 64 };
  return { passes, loop: new EncodeLoop({ forward }, limits, { onCondition }) };
}

it('every input is answered in smaller passes, and one that there is no memory for fails alone', async () => {
  const requests = fc.array(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 10 }), {
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(requests, fc.integer({ min: 20, max: 200 }), async (all, memory) => {
      const { loop } = loopOf(() => memory);
      const outcomes = await Promise.allSettled(all.map((lengths, i) => loop.run(rows(lengths), context(i))));
      const answers = outcomes.map((outcome) =>
        outcome.status === 'fulfilled'
          ? outcome.value.vectors.map(([length]) => length)
          : (outcome.reason as GenerationError).code,
      );
      expect(answers).toEqual(
        all.map((lengths) => (Math.max(...lengths) > memory ? 'out_of_memory' : lengths)),
      );
    }),
    { numRuns: 50 },
  );
});

it('passes are planned smaller from then on, and slowly larger again; the condition says so', async () => {
  let memory = 64;
  const conditions: (string | undefined)[] = [];
  const { loop, passes } = loopOf(
    () => memory,
    (degraded) => conditions.push(degraded),
  );
  const run = (id: number) => loop.run(rows(Array.from({ length: 32 }, () => 16)), context(id));
  await run(1);
  expect(conditions.at(-1)).toMatch(/^Memory ran short 3 times: a pass has at most 64 of 256 tokens\. Give/);
  passes.length = 0;
  await run(2);
  expect(Math.max(...passes)).toBeLessThanOrEqual(64);
  memory = 1000;
  for (let i = 3; i < 400 && conditions.at(-1) !== undefined; i++) await run(i);
  expect(conditions.at(-1)).toBeUndefined();
  passes.length = 0;
  await run(1000);
  expect(Math.max(...passes)).toBe(BUDGET);
});

it('the model is well though inputs that are longer than a pass may be fail: nothing was given up for them', async () => {
  const conditions: (string | undefined)[] = [];
  const { loop } = loopOf(
    () => BUDGET,
    (degraded) => conditions.push(degraded),
  );
  for (let i = 1; i <= 4; i++) {
    const huge = loop.run(rows([3 * BUDGET]), context(i));
    await expect(huge).rejects.toMatchObject({ code: 'out_of_memory' });
  }
  expect(conditions).toEqual([]);
});
