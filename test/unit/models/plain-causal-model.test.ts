import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { PlainCausalModel, type PlainCache } from '../../../src/engine/models/plain-causal-model.js';
import { valuesOf } from './tensors.js';

const VOCABULARY = 8;
const BLOCK_TOKENS = 32;

type Metadata = InferenceSession['inputMetadata'][number];

interface Shape {
  readonly inputs?: readonly string[];
  readonly cache?: readonly Metadata[];
  readonly outputs?: readonly Metadata[];
  readonly logits?: 'all' | 'last';
  readonly halves?: boolean;
}

function tensorOf(name: string, type: Tensor.Type, shape: readonly (number | string)[]): Metadata {
  return { name, isTensor: true, type, shape };
}

const CACHE = [
  tensorOf('past_key_values.0.key', 'float32', ['batch', 2, 'past', 1]),
  tensorOf('past_key_values.0.value', 'float16', ['batch', 1, 'past', 3]),
];
/** Bytes of a token in it. */
const TOKEN_BYTES = 2 * 4 + 3 * 2;

/** A plain graph in miniature: its cache holds the tokens, its logits point at the sum of all of them. */
function decoderOf({
  inputs = ['position_ids'],
  cache = CACHE,
  outputs,
  logits = 'last',
  halves,
}: Shape = {}) {
  const feeds: Record<string, Tensor>[] = [];
  const metadata = [
    tensorOf('input_ids', 'int64', ['batch', 'new']),
    tensorOf('attention_mask', 'int64', ['batch', 'all']),
    ...inputs.map((name) => tensorOf(name, 'int64', ['batch', 'new'])),
    ...cache,
  ];
  const logitsType = halves ? 'float16' : 'float32';
  const outputMetadata = outputs ?? [tensorOf('logits', logitsType, ['batch', 'new', VOCABULARY])];
  const session = {
    inputNames: metadata.map(({ name }) => name),
    outputNames: ['logits', ...cache.map(({ name }) => name.replace('past_key_values', 'present'))],
    inputMetadata: metadata,
    outputMetadata,
    failure: undefined as Error | undefined,
    run: async (fed: Record<string, Tensor>) => {
      feeds.push(fed);
      if (session.failure) throw session.failure;
      const past = valuesOf(fed['past_key_values.0.key']);
      const tokens = valuesOf(fed['input_ids']);
      const all = [...past.slice(0, past.length / 2), ...tokens];
      const steps = logits === 'all' ? tokens.length : 1;
      const pointed = all.reduce((a, b) => a + b, 0) % VOCABULARY;
      const data = new Float32Array(steps * VOCABULARY);
      data[(steps - 1) * VOCABULARY + pointed] = 1;
      // 1 as a half is 0x3c00
      const typed = halves ? Uint16Array.from(data, (value) => (value === 1 ? 0x3c00 : 0)) : data;
      return {
        logits: new Tensor(logitsType, typed as Float32Array, [1, steps, VOCABULARY]),
        'present.0.key': new Tensor('float32', Float32Array.from([...all, ...all]), [1, 2, all.length, 1]),
        'present.0.value': new Tensor('float16', new Uint16Array(3 * all.length), [1, 1, all.length, 3]),
      };
    },
  };
  return { session, feeds };
}

function modelOf(shape: Shape = {}, blocks = 10) {
  const { session, feeds } = decoderOf(shape);
  const bytes = (perToken: number): number => blocks * BLOCK_TOKENS * perToken + 5;
  return { model: new PlainCausalModel(session as unknown as InferenceSession, bytes), session, feeds };
}

async function pointedAt(
  model: PlainCausalModel,
  cache: PlainCache,
  tokens: readonly number[],
): Promise<number> {
  model.reserve(cache, tokens.length);
  const [logits] = await model.forward([{ cache, tokens }]);
  expect(logits).toHaveLength(VOCABULARY);
  return (logits as Float32Array).indexOf(1);
}

describe('PlainCausalModel', () => {
  it('feeds the new tokens behind a cache that was empty at first, and then what the pass before returned', async () => {
    const { model, feeds } = modelOf();
    const cache = model.open();
    await pointedAt(model, cache, [5, 6, 7]);
    await pointedAt(model, cache, [1]);
    const shapes = feeds.map((fed) =>
      Object.fromEntries(Object.entries(fed).map(([name, { dims }]) => [name, dims])),
    );
    expect(shapes).toEqual([
      {
        input_ids: [1, 3],
        attention_mask: [1, 3],
        position_ids: [1, 3],
        'past_key_values.0.key': [1, 2, 0, 1],
        'past_key_values.0.value': [1, 1, 0, 3],
      },
      {
        input_ids: [1, 1],
        attention_mask: [1, 4],
        position_ids: [1, 1],
        'past_key_values.0.key': [1, 2, 3, 1],
        'past_key_values.0.value': [1, 1, 3, 3],
      },
    ]);
    expect(valuesOf(feeds[0]?.['position_ids'])).toEqual([0, 1, 2]);
    expect(valuesOf(feeds[1]?.['position_ids'])).toEqual([3]);
    expect(valuesOf(feeds[1]?.['attention_mask'])).toEqual([1, 1, 1, 1]);
    expect(cache.length).toBe(4);
  });

  it('feeds only inputs that the graph has', async () => {
    const { model, feeds } = modelOf({ inputs: ['num_logits_to_keep'] });
    await pointedAt(model, model.open(), [5, 6]);
    expect(Object.keys(feeds[0] as object)).not.toContain('position_ids');
    const keep = feeds[0]?.['num_logits_to_keep'];
    expect([keep?.dims, valuesOf(keep)]).toEqual([[], [1]]);
  });

  it.each(['all', 'last'] as const)(
    'gives what is behind the last token where the graph gives %s',
    async (logits) => {
      for (const halves of [false, true]) {
        const { model } = modelOf({ logits, halves });
        const cache = model.open();
        expect(await pointedAt(model, cache, [1, 2, 3])).toBe(6);
        expect(await pointedAt(model, cache, [4])).toBe(2);
      }
    },
  );

  it('keeps sequences apart, each in a pass of its own', async () => {
    const { model } = modelOf();
    const [a, b] = [model.open(), model.open()];
    const rows = [
      { cache: a, tokens: [1] },
      { cache: b, tokens: [2] },
    ];
    expect(model.passes(rows)).toEqual([[rows[0]], [rows[1]]]);
    await expect(model.forward(rows)).rejects.toThrow('one sequence');
    expect(await pointedAt(model, a, [1])).toBe(1);
    expect(await pointedAt(model, b, [2])).toBe(2);
    expect(await pointedAt(model, a, [3])).toBe(4);
    expect(await pointedAt(model, b, [3])).toBe(5);
  });

  it('leaves a cache as it was if its pass fails', async () => {
    const { model, session } = modelOf();
    const cache = model.open();
    await pointedAt(model, cache, [1]);
    session.failure = new Error('out of memory');
    await expect(pointedAt(model, cache, [2])).rejects.toThrow('out of memory');
    session.failure = undefined;
    expect(cache.length).toBe(1);
    expect(await pointedAt(model, cache, [2])).toBe(3);
  });

  it('counts in blocks what caches may take', async () => {
    const { model } = modelOf({}, 3);
    expect([model.blocks, model.availableBlocks, model.vocabSize]).toEqual([3, 3, VOCABULARY]);
    const cache = model.open();
    expect(model.reserve(cache, 32)).toBe(true);
    await model.forward([{ cache, tokens: Array.from({ length: 32 }, () => 1) }]);
    expect([model.heldBlocks(cache), model.availableBlocks]).toEqual([1, 2]);
    const other = model.open();
    expect(model.reserve(other, 65)).toBe(false);
    expect([model.heldBlocks(other), model.availableBlocks]).toEqual([0, 2]);
    expect(model.reserve(cache, 1)).toBe(true);
    expect(model.reserve(cache, 2)).toBe(true);
    expect([model.heldBlocks(cache), model.availableBlocks]).toEqual([2, 1]);
    // what is reserved stays, also where less is asked for, as behind a pass that failed
    expect(model.reserve(other, 32)).toBe(true);
    expect(model.reserve(cache, 32)).toBe(true);
    expect(model.reserve(cache, 0)).toBe(true);
    expect([model.heldBlocks(cache), model.availableBlocks]).toEqual([2, 0]);
    model.close(cache);
    model.close(other);
    expect(model.availableBlocks).toBe(3);
  });

  it('knows what a token takes: keys and values of all layers, in their own types', () => {
    const { session } = decoderOf();
    const perToken: number[] = [];
    const model = new PlainCausalModel(session as unknown as InferenceSession, (bytes) => {
      perToken.push(bytes);
      return 0;
    });
    expect(perToken).toEqual([TOKEN_BYTES]);
    expect(model.blocks).toBe(0);
  });

  it.each([
    ['without a cache', { cache: [] }, 'no past_key_values inputs'],
    ['of an encoder', { inputs: ['encoder_hidden_states'] }, "an input 'encoder_hidden_states'"],
    [
      'with a cache of another form',
      { cache: [tensorOf('past_key_values.0.key', 'float32', ['b', 'h', 'p', 1])] },
      'not',
    ],
    [
      'with a cache of bytes',
      { cache: [tensorOf('past_key_values.0.key', 'int8', ['b', 2, 'p', 1])] },
      'is int8',
    ],
    ['of an open vocabulary', { outputs: [tensorOf('logits', 'float32', ['b', 'n', 'v'])] }, "'logits'"],
    ['without logits', { outputs: [] }, "'logits'"],
  ] as const)('refuses a graph %s', (_, shape: Shape, message) => {
    expect(() => modelOf(shape)).toThrow(message);
  });
});
