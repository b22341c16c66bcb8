import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { PagedCausalModel } from '../../src/engine/models/paged-causal-model.js';
import type { SharedRow } from '../../src/engine/kv/shared-kv-cache.js';
import { PAGED_FORM } from '../../src/engine/onnx/paged-form.js';
import { encodeModel, type ModelProto } from '../../src/engine/onnx/proto/index.js';
import { rewriteGraph } from '../../src/engine/onnx/rewrite-graph.js';
import { TestGenerator } from '../support/generators.js';
import { GOLDEN, GOLDEN_SKIP } from '../support/models.js';
import { WEBGPU_SKIP, hasWebGpu } from '../support/webgpu.js';
import { SCRIPT, expectClose } from '../unit/onnx/support/compare.js';
import { concatDecoder } from '../unit/onnx/support/concat-decoders.js';
import { groupQueryDecoder } from '../unit/onnx/support/fused-decoders.js';
import { PlainDecoder } from '../unit/onnx/support/plain-decoder.js';

const there = await hasWebGpu();
/** What a cache of float16 may do to logits of about 1. */
const TOLERANCE = 1e-2;

async function openPaged(model: ModelProto, cacheBytes: number): Promise<PagedCausalModel> {
  const rewriting = rewriteGraph(model, PAGED_FORM);
  if (rewriting.kind !== 'rewritten') throw new Error(rewriting.reason);
  const session = await InferenceSession.create(encodeModel(rewriting.model), {
    executionProviders: ['webgpu'],
    logSeverityLevel: 3,
  });
  const { layers, vocabSize } = rewriting;
  return PagedCausalModel.create({ session, layers, vocabSize, cacheBytes, prefixCaching: true });
}

interface Row {
  readonly expected: PlainDecoder;
  readonly tokens: number[];
  cache: SharedRow;
}

async function step(
  model: PagedCausalModel,
  taking: readonly { row: Row; tokens: readonly number[] }[],
): Promise<void> {
  for (const { row, tokens } of taking) expect(model.reserve(row.cache, tokens.length)).toBe(true);
  const logits = await model.forward(taking.map(({ row, tokens }) => ({ cache: row.cache, tokens })));
  for (const [i, { row, tokens }] of taking.entries()) {
    row.tokens.push(...tokens);
    expectClose(logits[i] as Float32Array, await row.expected.step(tokens), TOLERANCE);
  }
}

describe.skipIf(!there)(`a cache on the GPU (${WEBGPU_SKIP})`, () => {
  const decoders: Record<string, () => ModelProto> = {
    'GroupQueryAttention, rotary embedding inside': () => groupQueryDecoder(),
    'packed projections, 8-bit weights': () => groupQueryDecoder({ packed: true, weights: 'q8' }),
    'half precision': () => groupQueryDecoder({ weights: 'fp16' }),
    'attention spelled out, keys cached transposed': () => concatDecoder({ transposedKeys: true }),
  };

  // prompts, pieces of prompts and rows that decode, of any length, in one pass
  it.each(Object.entries(decoders))('%s: rows get what they get alone on the CPU', async (_, decoder) => {
    const model = decoder();
    const [paged, plain] = await Promise.all([
      openPaged(model, 64 * 1024),
      InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 }),
    ]);
    const rows = SCRIPT[0]!.map((): Row => ({
      expected: new PlainDecoder(plain),
      tokens: [],
      cache: paged.open([0]),
    }));
    for (const tokens of SCRIPT) {
      const taking = rows
        .map((row, i) => ({ row, tokens: tokens[i]! }))
        .filter((each) => each.tokens.length > 0);
      await step(paged, taking);
    }
    for (const { cache } of rows) paged.close(cache);
    expect(paged.availableBlocks).toBe(paged.blocks);
  });

  it.each([48, 512, 700])('the best of %i tokens is the one that the logits say', async (vocabSize) => {
    const paged = await openPaged(groupQueryDecoder({ shape: { vocabSize } }), 64 * 1024);
    const prompts = [[3, 1, 4], [1, 5, 9, 2, 6], [5]];
    const open = () => prompts.map((tokens) => ({ cache: paged.open([0]), tokens }));
    const [first, second] = [open(), open()];
    for (const { cache, tokens } of [...first, ...second]) paged.reserve(cache, tokens.length);
    const logits = await paged.forward(first);
    expect(await paged.best(second)).toEqual(logits.map((row) => row.indexOf(Math.max(...row))));
  });

  it('rows that begin alike share blocks, those that come later are not computed again', async () => {
    const model = groupQueryDecoder();
    const [paged, plain] = await Promise.all([
      openPaged(model, 64 * 1024),
      InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 }),
    ]);
    const beginning = Array.from({ length: 20 }, (_, i) => (i * 7) % 48);
    const first: Row = { expected: new PlainDecoder(plain), tokens: [], cache: paged.open(beginning) };
    await step(paged, [{ row: first, tokens: beginning }]);
    const prompt = [...beginning.slice(0, 18), 40, 41];
    const second: Row = { expected: new PlainDecoder(plain), tokens: [], cache: paged.open(prompt) };
    expect(second.cache.length).toBe(16);
    expect(second.cache.blocks[0]).toBe(first.cache.blocks[0]);
    await second.expected.step(prompt.slice(0, 16));
    await step(paged, [
      { row: second, tokens: prompt.slice(16) },
      { row: first, tokens: [5] },
    ]);
  });

  describe.skipIf(!GOLDEN)(`golden texts (${GOLDEN_SKIP})`, () => {
    const { model, rows } = GOLDEN ?? { model: { source: '' }, rows: [] };

    it.each(['plain', 'inplace'] as const)('kvCache: %s', async (kvCache) => {
      const generator = await TestGenerator.load({
        source: model.source,
        device: 'webgpu',
        dtype: 'fp32',
        kvCache,
      });
      expect(generator.report).toMatchObject({ device: 'webgpu', kvCache });
      const maxTokens = 40;
      const outcomes = await generator.runAll(
        rows.map(({ prompt }) => ({
          request: { prompt: { kind: 'text', text: prompt }, temperature: 0, maxTokens },
        })),
      );
      for (const [i, { tokens }] of outcomes.entries()) {
        const { prompt, text } = rows[i]!;
        expect(tokens).toHaveLength(maxTokens);
        // a token alone is spelled without the space before it
        const spelled = tokens.map((token) => token.text).join('');
        expect(text.slice(prompt.length).replaceAll(/\s/g, '')).toContain(spelled.replaceAll(/\s/g, ''));
      }
    });
  });
});
