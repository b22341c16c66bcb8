import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { OnnxEncoderModel, type EncoderOutput } from '../../../src/engine/encoding/onnx-encoder-model.js';

const MEAN: EncoderOutput = { kind: 'tokens', name: 'last_hidden_state', pooling: 'mean' };
const ROWS = [{ tokens: Int32Array.of(7, 8, 9), secondFrom: 2 }, { tokens: Int32Array.of(5) }];

interface Run {
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly fetches: readonly string[];
}

/** A graph that returns this, whatever it is fed with. */
function sessionOf(inputs: readonly string[], output: Tensor) {
  const runs: Run[] = [];
  const session = {
    inputNames: inputs,
    inputMetadata: inputs.map((name) => ({
      name,
      isTensor: true,
      type: 'float32',
      shape: name.startsWith('past') ? ['batch_size', 2, 'past_length', 4] : ['batch_size', 'width'],
    })),
    run: (feeds: Record<string, Tensor>, fetches: string[]) => {
      runs.push({ feeds, fetches });
      return Promise.resolve(Object.fromEntries(fetches.map((name) => [name, output])));
    },
  };
  return { session: session as unknown as InferenceSession, runs };
}

function states(values: readonly number[], dims: readonly number[]): Tensor {
  return new Tensor('float32', Float32Array.from(values), dims);
}

it('feeds what the graph asks for, padded on the right, and fetches one output', async () => {
  const inputs = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids', 'past_key_values.0.key'];
  const { session, runs } = sessionOf(inputs, states([1, 2, 3, 4, 5, 6], [2, 3, 1]));
  const vectors = await new OnnxEncoderModel(session, MEAN).forward(ROWS);
  expect(vectors.map((vector) => [...vector])).toEqual([[2], [4]]);
  const [{ feeds, fetches } = { feeds: {}, fetches: [] }] = runs;
  expect(fetches).toEqual(['last_hidden_state']);
  const numbers = (name: string) => Array.from((feeds[name]?.data ?? []) as BigInt64Array, Number);
  expect(numbers('input_ids')).toEqual([7, 8, 9, 5, 0, 0]);
  expect(numbers('attention_mask')).toEqual([1, 1, 1, 1, 0, 0]);
  expect(numbers('token_type_ids')).toEqual([0, 0, 1, 0, 0, 0]);
  expect(numbers('position_ids')).toEqual([0, 1, 2, 0, 1, 2]);
  expect(feeds['past_key_values.0.key']?.dims).toEqual([2, 2, 0, 4]);
});

it('returns one vector for each row where the graph does, and not a view of them all', async () => {
  const { session } = sessionOf(['input_ids'], states([1, 2, 3, 4], [2, 2]));
  const vectors = await new OnnxEncoderModel(session, { kind: 'rows', name: 'logits' }).forward(ROWS);
  expect(vectors.map((vector) => [...vector])).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(vectors[0]?.buffer.byteLength).toBe(8);
});

it('reads half-precision numbers', async () => {
  const halves = Uint16Array.of(0x3c00, 0x4000);
  const { session } = sessionOf(['input_ids'], new Tensor('float16', halves, [1, 2]));
  const model = new OnnxEncoderModel(session, { kind: 'rows', name: 'logits' });
  expect(await model.forward([{ tokens: Int32Array.of(1) }])).toEqual([Float32Array.of(1, 2)]);
});

it.each([NaN, Infinity])('fails where the graph answers %s', async (odd) => {
  const { session } = sessionOf(['input_ids'], states([1, 2, 3, odd], [2, 2]));
  const model = new OnnxEncoderModel(session, { kind: 'rows', name: 'logits' });
  await expect(model.forward(ROWS)).rejects.toThrow('its output is not finite');
});

it('refuses a graph that wants something else', () => {
  const { session } = sessionOf(['pixel_values'], states([], [0]));
  expect(() => new OnnxEncoderModel(session, MEAN)).toThrow("its graph has an input 'pixel_values'");
});
