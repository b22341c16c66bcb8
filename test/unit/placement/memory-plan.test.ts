import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { demandOf, LEAST_CONTEXT } from '../../../src/engine/placement/demand.js';
import { explainShortage, planMemory, RUNTIME_BYTES } from '../../../src/engine/placement/memory-plan.js';
import { readModelShape } from '../../../src/engine/placement/model-shape.js';
import type { ModelSpec } from '../../../src/engine/types.js';

const MB = 2 ** 20;
const bytes = fc.integer({ min: 0, max: 4096 }).map((mb) => mb * MB);

describe('a memory plan', () => {
  const demands = fc.record({
    weightsBytes: bytes,
    fixed: bytes,
    share: fc.double({ min: 0, max: 0.5, noNaN: true }),
    wanted: bytes,
    leastShare: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const supplies = fc.record({
    free: fc.option(bytes, { nil: undefined }),
    most: fc.option(bytes, { nil: undefined }),
  });
  const demandFrom = ({
    weightsBytes,
    fixed,
    share,
    wanted,
    leastShare,
  }: typeof demands extends fc.Arbitrary<infer T> ? T : never) => ({
    weightsBytes,
    activationBytes: (kv: number) => fixed + share * kv,
    kvCache: { wanted, least: Math.floor(wanted * leastShare) },
  });

  it('never plans more than there is, nor less than the least, and cuts no more than it must', () => {
    fc.assert(
      fc.property(demands, supplies, (parts, supply) => {
        const demand = demandFrom(parts);
        const plan = planMemory(demand, supply);
        const room = Math.min(supply.free ?? Infinity, supply.most ?? Infinity);
        const needed = (kv: number) => demand.weightsBytes + demand.activationBytes(kv) + kv + RUNTIME_BYTES;
        expect(plan.fits).toBe(needed(demand.kvCache.least) <= room);
        expect(plan.neededBytes).toBe(needed(plan.kvCacheBytes));
        expect(plan.kvCacheBytes).toBeGreaterThanOrEqual(Math.floor(demand.kvCache.least));
        expect(plan.kvCacheBytes).toBeLessThanOrEqual(demand.kvCache.wanted);
        expect(plan.cut).toBe(plan.kvCacheBytes < demand.kvCache.wanted);
        expect(plan.neededBytes <= room).toBe(plan.fits);
        expect(plan.fits || plan.kvCacheBytes === demand.kvCache.least).toBe(true);
        // 2^-16 of the cache more would not fit, but for rounding
        const more = plan.kvCacheBytes + demand.kvCache.wanted / 2 ** 15 + 2;
        expect(!plan.cut || needed(more) > room).toBe(true);
      }),
    );
  });

  it('says what is needed for what, and what there is', () => {
    const demand = {
      weightsBytes: 500 * MB,
      activationBytes: () => 100 * MB,
      kvCache: { wanted: 200 * MB, least: 50 * MB },
    };
    const plan = planMemory(demand, { free: 300 * MB, most: undefined });
    expect(explainShortage(plan)).toBe(
      'it needs 714 MB (weights 500 MB, activations 100 MB, KV cache at least 50 MB, runtime 64 MB), and 300 MB are free',
    );
    const allowed = planMemory(demand, { free: 900 * MB, most: 400 * MB });
    expect(explainShortage(allowed)).toMatch(/and 'memory' allows 400 MB$/);
  });
});

const LLAMA = {
  num_hidden_layers: 30,
  hidden_size: 576,
  intermediate_size: 1536,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  vocab_size: 49_152,
  max_position_embeddings: 8192,
};
const SPEC: ModelSpec = { name: 'm', source: 's', task: 'text-generation', device: 'auto', dtype: 'auto' };

describe('what a model takes', () => {
  const shape = readModelShape(LLAMA);
  const weights = new Map([
    ['q8', 300 * MB],
    ['fp16', 270 * MB],
  ] as const);
  const perToken = 30 * 2 * 3 * 64;

  it('reads the sizes from config.json, under the names that architectures have for them', () => {
    expect(shape).toMatchObject({ layers: 30, heads: 9, kvHeads: 3, headDim: 64, context: 8192 });
    expect(readModelShape({ n_layer: 6, n_embd: 96, n_head: 4, n_positions: 512 })).toMatchObject({
      layers: 6,
      hidden: 96,
      intermediate: 384,
      kvHeads: 4,
      headDim: 24,
      context: 512,
    });
    expect(readModelShape({ model_type: 'odd' })).toBeUndefined();
    expect(readModelShape(null)).toBeUndefined();
  });

  it('may be cut to a KV cache of one context, or of 2048 tokens', () => {
    const { kvCache } = demandOf({ spec: SPEC, shape, weights }, 'cpu', 'q8');
    expect(kvCache.least).toBe(LEAST_CONTEXT * perToken * 4);
    expect(kvCache.wanted).toBeGreaterThan(kvCache.least);
    const short = readModelShape({ ...LLAMA, max_position_embeddings: 512 });
    expect(demandOf({ spec: SPEC, shape: short, weights }, 'cpu', 'q8').kvCache.least).toBe(
      512 * perToken * 4,
    );
  });

  it('may not be cut to less than what the configuration says', () => {
    const spec = { ...SPEC, kvCacheMemory: 700 * MB };
    expect(demandOf({ spec, shape, weights }, 'cpu', 'q8').kvCache).toEqual({
      wanted: 700 * MB,
      least: 700 * MB,
    });
  });

  it('counts half-precision weights twice on the CPU, and half-precision numbers half on a GPU', () => {
    // the same steps on both
    const spec = { ...SPEC, maxRows: 32, prefillChunk: 128, stepTokens: 128 };
    const of = (device: 'cpu' | 'webgpu') => demandOf({ spec, shape, weights }, device, 'fp16');
    expect(of('cpu').weightsBytes).toBe(540 * MB);
    expect(of('webgpu').weightsBytes).toBe(270 * MB);
    expect(of('webgpu').kvCache.least).toBe(of('cpu').kvCache.least / 2);
    expect(of('webgpu').activationBytes(0)).toBeLessThan(of('cpu').activationBytes(0));
  });

  it('takes more for a longer past and for larger pieces', () => {
    const { activationBytes, kvCache } = demandOf({ spec: SPEC, shape, weights }, 'cpu', 'q8');
    expect(activationBytes(kvCache.wanted)).toBeGreaterThan(activationBytes(kvCache.least));
    const larger = demandOf({ spec: { ...SPEC, prefillChunk: 1024 }, shape, weights }, 'cpu', 'q8');
    expect(larger.activationBytes(0)).toBeGreaterThan(4 * activationBytes(0));
  });

  it('is the weights alone where config.json says nothing', () => {
    const demand = demandOf({ spec: SPEC, shape: undefined, weights }, 'cpu', 'q8');
    expect(demand.kvCache).toEqual({ wanted: 0, least: 0 });
    expect(demand.activationBytes(0)).toBe(0);
  });
});
