import { seededRandom } from '../support/seeded-random.js';

/** A matrix of one linear layer, a row per output: `[outputs, inputs]`. */
export interface Matrix {
  readonly outputs: number;
  readonly inputs: number;
  readonly values: Float32Array;
}

/** Largest value of the embedding: small beside what the layers add to it, so that a token doesn't only repeat itself. */
const EMBEDDING_RANGE = 0.09;

/** Of a linear layer, with which the values neither grow nor vanish on their way through the layers. */
const LINEAR_GAIN = 1.04;

/**
 * Random weights: speed doesn't depend on the values. Each tensor is drawn from its own name, so that every kind of
 * quantisation begins with the same ones.
 */
export function randomLinear(name: string, outputs: number, inputs: number): Matrix {
  return { outputs, inputs, values: uniform(name, outputs * inputs, LINEAR_GAIN / Math.sqrt(inputs)) };
}

export function randomEmbedding(vocab: number, hidden: number): Matrix {
  return { outputs: vocab, inputs: hidden, values: uniform('embedding', vocab * hidden, EMBEDDING_RANGE) };
}

function uniform(name: string, count: number, range: number): Float32Array {
  const random = seededRandom(name);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = (random() * 2 - 1) * range;
  return values;
}
