import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AutoTokenizer } from '@huggingface/transformers';
import * as fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { PromptWriter } from '../../../bench/load/prompts.js';
import type { WeightKind } from '../../../bench/model/graph-builder.js';
import { writeGguf } from '../../../bench/model/gguf.js';
import { dequantise } from '../../../bench/model/dequantise.js';
import { toHalf as toHalfModel } from '../../../bench/model/half-model.js';
import { buildLlama } from '../../../bench/model/llama-graph.js';
import { quantizeBlocks, quantizeColumns, quantizeQ8_0, toHalf } from '../../../bench/model/quantize.js';
import type { ModelShape } from '../../../bench/model/shape.js';
import { extendTokenizer } from '../../../bench/model/tokenizer.js';
import { randomLinear } from '../../../bench/model/weights.js';
import { encodeModel, type ModelProto } from '../../../src/engine/onnx/proto/index.js';
import { PlainDecoder } from '../onnx/support/plain-decoder.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';

const TALES = fileURLToPath(new URL('../../../models/tales', import.meta.url));
const SHAPE: ModelShape = {
  hidden: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediate: 96,
  vocab: 320,
  context: 64,
};

function half(bits: number): number {
  const exponent = bits >> 10;
  const fraction = bits & 0x3ff;
  return exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
}

describe('quantising', () => {
  const weights = randomLinear('test', 6, 64);
  const step = 1.04 / 8 / 127;

  it('to blocks keeps every weight to half a step', () => {
    const { values, scales } = quantizeBlocks(weights);
    for (const [i, value] of weights.values.entries()) {
      const back = ((values[i] as number) - 128) * (scales[i >> 5] as number);
      expect(Math.abs(back - value)).toBeLessThanOrEqual(step * 0.51);
    }
  });

  it('to columns keeps every weight to half a step, and transposes', () => {
    const { values, scales } = quantizeColumns(weights);
    for (const [i, value] of weights.values.entries()) {
      const [output, input] = [Math.floor(i / 64), i % 64];
      const back = (values[input * 6 + output] as number) * (scales[output] as number);
      expect(Math.abs(back - value)).toBeLessThanOrEqual(step * 0.51);
    }
  });

  it('to Q8_0 keeps every weight to half a step', () => {
    const bytes = quantizeQ8_0(weights);
    const view = new DataView(bytes.buffer);
    expect(bytes).toHaveLength((weights.values.length / 32) * 34);
    for (const [i, value] of weights.values.entries()) {
      const block = (i >> 5) * 34;
      const back = half(view.getUint16(block, true)) * view.getInt8(block + 2 + (i % 32));
      // the scale itself is rounded, too
      expect(Math.abs(back - value)).toBeLessThanOrEqual(step * 0.6);
    }
  });

  it('survives a block of zeros', () => {
    const zeros = { outputs: 1, inputs: 32, values: new Float32Array(32) };
    expect(new Set(quantizeBlocks(zeros).values)).toEqual(new Set([128]));
    expect(new Set(quantizeColumns(zeros).values)).toEqual(new Set([0]));
    expect(new Set(quantizeQ8_0(zeros))).toEqual(new Set([0]));
  });

  it('rounds to the nearest half', () => {
    expect([0, 1, 0.5, 1.5, 65_504, 2 ** -24].map(toHalf)).toEqual([0, 0x3c00, 0x3800, 0x3e00, 0x7bff, 1]);
    fc.assert(
      fc.property(fc.double({ min: 1e-4, max: 60_000, noNaN: true }), (value) => {
        expect(Math.abs(half(toHalf(value)) / value - 1)).toBeLessThanOrEqual(2 ** -11 * 1.001);
      }),
    );
  });
});

describe('the generated graph', () => {
  /** Two prompts of three tokens, then a token each. */
  async function logitsOf(kind: WeightKind): Promise<Float32Array> {
    const session = await InferenceSession.create(encodeModel(buildLlama(SHAPE, kind)));
    const empty = new Tensor('float32', new Float32Array(0), [2, SHAPE.kvHeads, 0, 16]);
    const past = Object.fromEntries(
      session.inputNames.filter((name) => name.startsWith('past')).map((name) => [name, empty]),
    );
    const first = await session.run({ ...feeds([5, 6, 7, 8, 9, 10], 3), ...past });
    const present = Object.fromEntries(
      Object.keys(past).map((name) => [name, first[name.replace('past_key_values', 'present')] as Tensor]),
    );
    const second = await session.run({ ...feeds([11, 12], 4), ...present });
    return (second['logits'] as Tensor).data as Float32Array;
  }

  function feeds(tokens: readonly number[], total: number): Record<string, Tensor> {
    return {
      input_ids: new Tensor('int64', BigInt64Array.from(tokens, BigInt), [2, tokens.length / 2]),
      attention_mask: new Tensor('int64', new BigInt64Array(2 * total).fill(1n), [2, total]),
    };
  }

  it('runs with a cache, and says nearly the same in every kind of weights', async () => {
    const exact = await logitsOf('fp32');
    expect(exact).toHaveLength(2 * SHAPE.vocab);
    for (const kind of ['q8', 'i8'] as const) {
      const rounded = await logitsOf(kind);
      const error = Math.hypot(...exact.map((value, i) => value - (rounded[i] as number)));
      expect(error / Math.hypot(...exact)).toBeLessThan(0.05);
    }
  });
});

describe('a float32 decoder', () => {
  async function logitsOf(model: ModelProto): Promise<Float32Array> {
    const session = await InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 });
    const decoder = new PlainDecoder(session);
    await decoder.step([5, 6, 7, 8]);
    return decoder.step([9]);
  }

  /** As a share of what is expected. */
  function distance(actual: Float32Array, expected: Float32Array): number {
    return Math.hypot(...actual.map((value, i) => value - (expected[i] as number))) / Math.hypot(...expected);
  }

  it.skipIf('Float16Array' in globalThis)(
    'says nearly the same in float16 (not where there is a Float16Array: onnxruntime-node takes none)',
    async () => {
      const model = buildLlama(SHAPE, 'fp32');
      expect(distance(await logitsOf(toHalfModel(model)), await logitsOf(model))).toBeLessThan(0.01);
    },
  );

  it('is what 8 bits stand for', async () => {
    const quantised = buildLlama(SHAPE, 'q8');
    expect(distance(await logitsOf(dequantise(quantised)), await logitsOf(quantised))).toBeLessThan(0.02);
  });
});

describe('writeGguf', () => {
  it('writes a header and tensors where it says', async () => {
    const file = join(temporaryFolder(), 'model.gguf');
    await writeGguf(file, SHAPE);
    const bytes = readFileSync(file);
    const linear = 64 * 64 * 2 + 32 * 64 * 2 + 3 * 96 * 64;
    const matrices = ((320 * 64 + 2 * linear) / 32) * 34;
    const norms = 5 * 64 * 4;
    expect(bytes.subarray(0, 4).toString()).toBe('GGUF');
    expect(bytes.readUInt32LE(4)).toBe(3);
    expect(bytes.readBigUInt64LE(8)).toBe(2n + 2n * 9n);
    expect(bytes.length % 32).toBe(0);
    // the last norm lies behind the embedding
    expect(bytes.length).toBeGreaterThan(matrices + norms);
    const ones = Buffer.from(new Float32Array(64).fill(1).buffer);
    const data = bytes.length - matrices - norms;
    expect(bytes.indexOf(ones)).toBe(data + ((320 * 64) / 32) * 34);
  });
});

describe('prompts', () => {
  it('have as many tokens as asked for, in the extended vocabulary, too', async () => {
    const file = JSON.parse(readFileSync(join(TALES, 'tokenizer.json'), 'utf8')) as {
      model: { vocab: Record<string, number> };
    };
    const extended = extendTokenizer(file, 6000);
    expect(Object.values(extended.model.vocab).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 6000 }, (_, i) => i),
    );
    const folder = temporaryFolder({
      'tokenizer.json': JSON.stringify(extended),
      'tokenizer_config.json': readFileSync(join(TALES, 'tokenizer_config.json'), 'utf8'),
    });
    const tokenizer = await AutoTokenizer.from_pretrained(folder, { local_files_only: true });
    const writer = PromptWriter.forModel(folder);
    for (const [i, length] of [1, 20, 400, 2000].entries()) {
      const { text, tokens } = writer.write(`prompt ${i}`, length);
      expect(tokens).toHaveLength(length);
      expect(tokenizer.encode(text)).toEqual(tokens);
    }
  });

  it('are the same for the same seed, and begin differently for others', () => {
    const writer = PromptWriter.forModel(TALES);
    expect(writer.write('a', 20)).toEqual(writer.write('a', 20));
    const beginnings = Array.from({ length: 200 }, (_, i) => writer.write(`seed/${i}`, 3).text);
    expect(new Set(beginnings).size).toBe(200);
  });
});
