import type { CausalModel, SequenceCache } from '../models/causal-model.js';

/**
 * What the other sequences of a pass do to one of them. `none`: its logits are the same, to the bit, alone and in any company;
 * `alone`: in any company, but not alone, because ONNX Runtime has other kernels for a single row; `all`: they depend on its neighbours,
 * as where activations are quantised with one scale for the whole pass.
 */
export type BatchEffect = 'none' | 'alone' | 'all';

interface Probe {
  readonly prompt: readonly number[];
  /** Decoded behind the prompt. */
  readonly next: number;
}

/** Token ids that any vocabulary has. */
const PROBE: Probe = { prompt: [1, 2, 3], next: 4 };
const ONE_NEIGHBOUR: readonly Probe[] = [{ prompt: [5, 6], next: 7 }];
const TWO_NEIGHBOURS: readonly Probe[] = [
  { prompt: [8, 9, 10, 11], next: 12 },
  { prompt: [13], next: 14 },
];

/** Finds out by trying: so it holds for whatever graph this is, on whatever machine. */
export async function probeBatchEffect<Cache extends SequenceCache>(
  model: CausalModel<Cache>,
): Promise<BatchEffect> {
  const first = await decodeBeside(model, ONE_NEIGHBOUR);
  const second = await decodeBeside(model, TWO_NEIGHBOURS);
  if (!isSame(first, second)) return 'all';
  return isSame(first, await decodeBeside(model, [])) ? 'none' : 'alone';
}

async function decodeBeside<Cache extends SequenceCache>(
  model: CausalModel<Cache>,
  neighbours: readonly Probe[],
): Promise<Float32Array> {
  const probes = [PROBE, ...neighbours];
  const caches = probes.map(({ prompt }) => model.open(prompt));
  try {
    for (const [i, { prompt }] of probes.entries()) await run(model, [caches[i] as Cache], [prompt]);
    const [logits] = await run(
      model,
      caches,
      probes.map(({ next }) => [next]),
    );
    return (logits as Float32Array).slice();
  } finally {
    for (const cache of caches) model.close(cache);
  }
}

/** One pass, where the model can do it in one. */
async function run<Cache extends SequenceCache>(
  model: CausalModel<Cache>,
  caches: readonly Cache[],
  tokens: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const rows = caches.map((cache, i) => ({ cache, tokens: tokens[i] as readonly number[] }));
  for (const { cache, tokens: some } of rows) {
    if (!model.reserve(cache, some.length)) throw new Error('the KV cache is too small for a few tokens');
  }
  const logits: Float32Array[] = [];
  for (const pass of model.passes(rows)) logits.push(...(await model.forward(pass)));
  return logits;
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
