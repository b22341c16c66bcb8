import { beforeAll, describe, expect, it } from 'vitest';
import { arrivals, holds, SharedArrivals } from '../support/arrivals.js';
import { TestGenerator, type Outcome } from '../support/generators.js';
import { GOLDEN, GOLDEN_SKIP, TALES } from '../support/models.js';
import { expectEquivalent, expectIdentical } from '../support/outcomes.js';

/** Rounding of fp32, in log-probability. */
const ROUNDING = 1e-3;
/** And where activations are quantised to 8 bits; measured: at most 0.04. */
const Q8_ROUNDING = 0.15;
/** Of the golden model: keys and values of 5 layers with 4 heads of 8 float32. */
const GOLDEN_BLOCK = 32 * 5 * 2 * 4 * 8 * 4;

describe('q8 (MatMulNBits): in company as alone, to the bit', () => {
  const some = { vocabSize: 4096, count: 10, maxPrompt: 150, maxTokens: 16 };

  describe.each([
    { maxRows: 2, prefillChunk: 32, stepTokens: 48 },
    { maxRows: 6, prefillChunk: 128, stepTokens: 256 },
  ])('%o', (limits) => {
    let model: TestGenerator;
    beforeAll(async () => {
      model = await TestGenerator.load({ ...TALES, ...limits, prefixCache: false });
    });

    it('is what the model says of itself', () => {
      expect(model.report).toMatchObject({ kvCache: 'inplace', batchInvariant: true });
    });

    it('greedy', () =>
      holds(arrivals(some), 1, async (requests) => {
        expectIdentical(await model.runAll(requests), await model.runEachAlone(requests));
      }));

    it('sampled with a seed', () =>
      holds(arrivals({ ...some, temperature: 1 }), 1, async (requests) => {
        expectIdentical(await model.runAll(requests), await model.runEachAlone(requests));
      }));
  });

  it('in place as over the plain graph, but for near ties', async () => {
    const inPlace = await TestGenerator.load({ ...TALES, kvCache: 'inplace' });
    const plain = await TestGenerator.load({ ...TALES, kvCache: 'plain' });
    await holds(arrivals({ ...some, count: 8 }), 1, async (requests) => {
      expectEquivalent(await inPlace.runAll(requests), await plain.runEachAlone(requests), Q8_ROUNDING);
    });
  });
});

describe.skipIf(!GOLDEN)(`fp32: in company as alone (${GOLDEN_SKIP})`, () => {
  const source = GOLDEN?.model.source ?? '';
  const load = (spec: object) => TestGenerator.load({ source, dtype: 'fp32', ...spec });
  const some = { vocabSize: 512, count: 20, maxPrompt: 200, maxTokens: 60 };
  let alone: TestGenerator;
  let greedy: SharedArrivals;
  beforeAll(async () => {
    alone = await load({ prefixCache: false });
    greedy = await SharedArrivals.draw(arrivals(some), 2, alone);
  });

  const expectClose = (actual: readonly Outcome[], expected: readonly Outcome[]): void =>
    expectEquivalent(actual, expected, ROUNDING);

  it.each([2, 3, 6])('to the bit, in %i rows', async (maxRows) => {
    const model = await load({ maxRows, prefixCache: false });
    expect(model.report.batchInvariant).toBe(true);
    await greedy.compare(model, expectIdentical);
  });

  // 260 tokens, the most that a request can take, are 9 blocks: whoever runs beside it must give way
  it.each([
    { maxRows: 3, blocks: 9, prefixCache: false },
    { maxRows: 6, blocks: 14, prefixCache: false },
    { maxRows: 6, blocks: 10, prefixCache: true },
    { maxRows: 6, blocks: 20, prefixCache: true, prefillChunk: 16, stepTokens: 40 },
    { maxRows: 5, blocks: 400, prefixCache: true },
  ])(
    'parked, evicted and begun again: $blocks blocks for $maxRows rows, prefix cache $prefixCache',
    async (limits) => {
      const { blocks, ...spec } = limits;
      const model = await load({ ...spec, kvCacheMemory: blocks * GOLDEN_BLOCK });
      expect(model.report.kvCacheTokens).toBe(blocks * 32);
      await greedy.compare(model, expectClose);
    },
  );

  it('sampled with a seed', async () => {
    const model = await load({ maxRows: 4, prefixCache: false });
    await holds(arrivals({ ...some, temperature: 1 }), 1, async (requests) => {
      expectIdentical(await model.runAll(requests), await alone.runEachAlone(requests));
    });
  });

  it('in place as over the plain graph', async () => {
    const plain = await load({ kvCache: 'plain' });
    expect(plain.report).toMatchObject({ kvCache: 'plain', batchInvariant: true });
    await greedy.compare(plain, expectClose);
  });

  it.each([16, 512])('in pieces of %i tokens', async (prefillChunk) => {
    const model = await load({ prefillChunk, stepTokens: 512, prefixCache: false });
    expect(model.report.kvCache).toBe('inplace');
    await greedy.compare(model, expectClose);
  });
});
