import { existsSync, readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeModel, type ModelProto } from '../../../src/engine/onnx/proto/index.js';
import { rewriteGraph } from '../../../src/engine/onnx/rewrite-graph.js';
import { GOLDEN, GOLDEN_SKIP, TALES } from '../../support/models.js';
import { expectClose, expectSameLogits, openPair, type Pair, type Script } from './support/compare.js';
import { concatDecoder, learnedPositionsDecoder, type ConcatOptions } from './support/concat-decoders.js';
import { groupQueryDecoder, multiHeadDecoder, type GroupQueryOptions } from './support/fused-decoders.js';

/** Neighbours in a shuffled order. */
const shuffled = (block: number) => (block * 7919) % 31;

/** onnxruntime-node 1.30 can't be fed a Float16Array, and makes its half-precision tensors of them where there are any. */
const HAS_FLOAT16_ARRAY = 'Float16Array' in globalThis;
const NO_ORACLE =
  'the graph as it is, with a cache of half precision, does not run where there is a Float16Array';

async function expectSameInEveryLayout(model: ModelProto, tolerance: number): Promise<void> {
  const pair = await openPair(model);
  await expectSameLogits(pair, tolerance, { blockTokens: 1, order: shuffled });
  await expectSameLogits(pair, tolerance, { blockTokens: 4, order: shuffled, spareBlocks: 2 });
  await expectSameLogits(pair, tolerance, { blockTokens: 32, spareTokens: 3 });
}

describe('a decoder with GroupQueryAttention', () => {
  const wide = { headDim: 32 };
  const cases: Record<string, GroupQueryOptions & { tolerance?: number }> = {
    'rotary embedding inside, no position_ids': {},
    'rotary embedding outside, by position_ids': { rotary: 'outside' },
    'packed projections': { packed: true },
    'packed projections, rotary embedding outside... of a single head group': {
      packed: true,
      shape: { kvHeads: 1 },
    },
    'as many key heads as heads': { shape: { kvHeads: 4 } },
    'half of each head rotated': { rotaryDims: 16, shape: wide },
    'half of each head rotated, interleaved': { rotaryDims: 16, interleaved: true, shape: wide },
    'interleaved rotary embedding': { interleaved: true },
    'bounded scores': { softcap: 2 },
    'a scale of its own': { scale: 0.5 },
    '8-bit weights': { weights: 'q8' },
    '8-bit weights and activations': { weights: 'q8-accuracy-4' },
    '4-bit weights, packed': { weights: 'q4', packed: true },
    // what float16 logits can hold
    'half precision': { weights: 'fp16', tolerance: 3e-3 },
    'half precision, rotary embedding outside': { weights: 'fp16', rotary: 'outside', tolerance: 3e-3 },
  };

  it.for(Object.entries(cases))('%s', async ([, { tolerance = 1e-4, ...options }], { skip }) => {
    skip(options.weights === 'fp16' && HAS_FLOAT16_ARRAY, NO_ORACLE);
    await expectSameInEveryLayout(groupQueryDecoder(options), tolerance);
  });
});

describe('a decoder with MultiHeadAttention', () => {
  it.each(['causal', 'unidirectional'] as const)('%s', async (bias) => {
    await expectSameInEveryLayout(multiHeadDecoder({ bias }), 1e-4);
  });
});

describe('a decoder whose attention is spelled out', () => {
  const cases: Record<string, ConcatOptions & { tolerance?: number }> = {
    'heads repeated by Expand, mask as a triangle': {},
    'heads repeated by Concat, mask by positions': { repeat: 'concat', mask: 'positions' },
    'heads repeated by Tile, scores divided': { repeat: 'tile', scale: 'div' },
    'as many key heads as heads': { repeat: 'none', shape: { kvHeads: 4 } },
    'scale computed from a shape, guard behind the softmax': { scale: 'shape', guard: true },
    'bounded scores': { softcap: 3 },
    'positions counted in the attention mask': { positions: 'mask' },
    'positions from the length of the past': { positions: 'past' },
    'rotary tables cut to the length': { tables: true },
    'keys cached transposed': { transposedKeys: true },
    'half precision': { weights: 'fp16', tolerance: 3e-3 },
  };

  it.for(Object.entries(cases))('%s', async ([, { tolerance = 1e-4, ...options }], { skip }) => {
    skip(options.weights === 'fp16' && HAS_FLOAT16_ARRAY, NO_ORACLE);
    await expectSameInEveryLayout(concatDecoder(options), tolerance);
  });

  it('learned positions, a table of booleans as the mask', async () => {
    await expectSameInEveryLayout(learnedPositionsDecoder(), 1e-4);
  });

  it('learned positions, counted from one', async () => {
    await expectSameInEveryLayout(learnedPositionsDecoder({ first: 1 }), 1e-4);
  });

  it('dynamically quantised: the same but for the rounding of activations', async () => {
    const { plain, blocks } = await openPair(concatDecoder({ weights: 'dynamic' }));
    const [row, cache] = [plain(), blocks.open()];
    for (const tokens of [[5, 6, 7], [3], [4, 1], [9]]) {
      const [actual] = await blocks.step([{ cache, tokens }], { blockTokens: 4 });
      // the original chooses one scale for all tokens before the last projection, too
      expectClose(actual!, await row.step(tokens), 0.1);
    }
  });
});

interface BlockOrder {
  readonly order: (block: number) => number;
  readonly spareBlocks: number;
}

describe('what a row gets', () => {
  const decoders: Record<string, () => ModelProto> = {
    float32: () => groupQueryDecoder(),
    '8-bit weights': () => groupQueryDecoder({ weights: 'q8-accuracy-4' }),
    'spelled out': () => concatDecoder(),
  };
  const prompts = fc.array(fc.nat(47), { minLength: 1, maxLength: 50 });

  it.each(Object.entries(decoders))('does not depend on its neighbours, to the bit: %s', async (_, make) => {
    const { blocks } = await openPair(make());
    const neighbours = fc.array(prompts, { minLength: 1, maxLength: 5 });
    const layout: fc.Arbitrary<BlockOrder> = fc.record({
      order: fc
        .array(fc.nat(1000), { minLength: 100, maxLength: 100 })
        .map((keys) => (block: number) => keys[block]!),
      spareBlocks: fc.nat(5),
    });
    const run = async (own: number[], others: number[][], at: number, { order, spareBlocks }: BlockOrder) => {
      const rows = [own, ...others].map((tokens) => ({ tokens, cache: blocks.open() }));
      // prefilled alone: what is asked about here is decoding in company
      for (const row of rows) await blocks.step([row], { blockTokens: 4 });
      const company = rows.slice(1);
      company.splice(at % rows.length, 0, rows[0]!);
      const steps = company.map((row) => ({ ...row, tokens: [row.tokens[0]!] }));
      const logits = await blocks.step(steps, { blockTokens: 4, order, spareBlocks });
      return logits[company.indexOf(rows[0]!)]!;
    };
    await fc.assert(
      fc.asyncProperty(
        prompts,
        neighbours,
        neighbours,
        fc.nat(5),
        fc.nat(5),
        layout,
        layout,
        async (own, a, b, i, j, one, other) => {
          expect(await run(own, a, i, one)).toEqual(await run(own, b, j, other));
        },
      ),
      { numRuns: 25 },
    );
  });

  // sums over blocks go by fours: what is left over is where widths can matter
  it.each([1, 2, 3, 5, 6, 7, 11, 13, 15])(
    'does not depend on the width of the table, to the bit: %i blocks',
    async (count) => {
      const { blocks } = await openPair(groupQueryDecoder({ shape: { maxPositions: 128 } }));
      const tokens = Array.from({ length: count * 4 }, (_, i) => (i * 7) % 48);
      const run = async (spareBlocks: number) => {
        const rows = [tokens, [1, 2]].map((prompt) => ({ tokens: prompt, cache: blocks.open() }));
        for (const row of rows) await blocks.step([row], { blockTokens: 4 });
        const step = rows.map(({ cache }) => ({ cache, tokens: [9] }));
        return (await blocks.step(step, { blockTokens: 4, spareBlocks }))[0];
      };
      const alone = await run(0);
      for (const spareBlocks of [1, 2, 3, 4, 9]) expect(await run(spareBlocks)).toEqual(alone);
    },
  );

  it('does not depend on what fills it up on the right, to the bit', async () => {
    const { blocks } = await openPair(groupQueryDecoder());
    const run = async (others: number[][]) => {
      const rows = [[5, 6, 7], ...others].map((tokens) => ({ tokens, cache: blocks.open() }));
      return (await blocks.step(rows, { blockTokens: 4 }))[0];
    };
    expect(await run([[1, 2, 3, 4, 5, 6, 7, 8, 9]])).toEqual(await run([[4], [1, 2, 3, 4, 5], [3, 3]]));
  });
});

describe('any script in any layout', () => {
  const chunk = fc.array(fc.nat(47), { maxLength: 6 });
  const script: fc.Arbitrary<Script> = fc
    .integer({ min: 1, max: 4 })
    .chain((rows) =>
      fc.array(fc.array(chunk, { minLength: rows, maxLength: rows }), { minLength: 1, maxLength: 5 }),
    )
    .filter((steps) => steps.every((step) => step.some((tokens) => tokens.length > 0)));

  it('gives the logits of the unchanged graph', async () => {
    const pair: Pair = await openPair(groupQueryDecoder({ shape: { layers: 1 } }));
    await fc.assert(
      fc.asyncProperty(
        script,
        fc.constantFrom(1, 2, 4, 8, 32),
        fc.nat(3),
        fc.nat(3),
        async (steps, blockTokens, spareBlocks, spareTokens) => {
          await expectSameLogits(
            pair,
            1e-4,
            { blockTokens, spareBlocks, spareTokens, order: shuffled },
            steps,
          );
        },
      ),
      { numRuns: 25 },
    );
  });
});

const GOLDEN_ONNX = `${GOLDEN?.model.source}/onnx/`;
const TALES_ONNX = `${TALES.source}/onnx/`;

describe.skipIf(!GOLDEN)(`the golden model (${GOLDEN_SKIP})`, () => {
  it('float32', async () => {
    await expectSameInEveryLayout(decodeModel(readFileSync(`${GOLDEN_ONNX}model.onnx`)), 1e-4);
  });

  it('dynamically quantised: the same next tokens', async () => {
    await expectSameNextTokens(
      decodeModel(readFileSync(`${GOLDEN_ONNX}model_quantized.onnx`)),
      [403, 407, 261],
    );
  });
});

describe.each(
  ['model_quantized', 'model_q4', 'model_q8'].filter((name) => existsSync(`${TALES_ONNX}${name}.onnx`)),
)('the embedded model, %s', (name) => {
  it('has the same next tokens', async () => {
    await expectSameNextTokens(decodeModel(readFileSync(`${TALES_ONNX}${name}.onnx`)), [1, 300, 301]);
  });
});

/** Greedy, 24 tokens. */
async function expectSameNextTokens(model: ModelProto, prompt: readonly number[]): Promise<void> {
  const { plain, blocks } = await openPair(model);
  const [row, cache] = [plain(), blocks.open()];
  let tokens = prompt;
  for (let i = 0; i < 24; i++) {
    const expected = await row.step(tokens);
    const [actual] = await blocks.step([{ cache, tokens }], { blockTokens: 8 });
    const best = expected.indexOf(Math.max(...expected));
    expect(actual!.indexOf(Math.max(...actual!))).toBe(best);
    tokens = [best];
  }
}

describe('the rewritten graph', () => {
  it('has the inputs and outputs of the contract and nothing of the old ones', () => {
    const rewriting = rewriteGraph(concatDecoder());
    const { graph } = rewriting.kind === 'rewritten' ? rewriting.model : { graph: undefined };
    const layers = [0, 1].flatMap((l) => [`${l}.key`, `${l}.value`]);
    expect(graph?.input.map(({ name }) => name).toSorted()).toEqual(
      [
        'input_ids',
        'position_ids',
        'mask',
        'table',
        'valid',
        'block_row',
        'block_slot',
        'last',
        ...layers.map((name) => `past_key_values.${name}`),
      ].toSorted(),
    );
    expect(graph?.output.map(({ name }) => name)).toEqual([
      'logits',
      ...layers.map((name) => `delta.${name}`),
    ]);
    const needed = new Set(graph?.node.flatMap(({ input }) => input));
    expect(graph?.initializer.filter(({ name }) => !needed.has(name))).toEqual([]);
    expect(needed).not.toContain('attention_mask');
  });

  it('projects the last token only', () => {
    for (const weights of ['fp32', 'q8', 'dynamic'] as const) {
      const rewriting = rewriteGraph(groupQueryDecoder({ weights }));
      const nodes = rewriting.kind === 'rewritten' ? (rewriting.model.graph?.node ?? []) : [];
      const pick = nodes.findIndex(({ opType }) => opType === 'GatherND');
      const projection = nodes.findLastIndex(({ opType }) => opType.startsWith('MatMul'));
      expect(pick).toBeGreaterThan(0);
      expect(pick).toBeLessThan(projection);
    }
  });

  it('names its quantised operators', () => {
    expect(rewriteGraph(groupQueryDecoder({ weights: 'q4' }))).toMatchObject({
      quantizedOps: ['MatMulNBits'],
    });
    expect(rewriteGraph(groupQueryDecoder())).toMatchObject({
      quantizedOps: [],
      vocabSize: 48,
      layers: [{ kvHeads: 2, headDim: 16 }, {}],
    });
  });

  it('leaves the model as it was', () => {
    const model = concatDecoder();
    const before = structuredClone(model);
    rewriteGraph(model);
    expect(model).toEqual(before);
  });
});
