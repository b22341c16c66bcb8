import type { LabelScore } from '../encoder-types.js';
import type { Pooling } from '../types.js';

/**
 * The vectors of a text's tokens as one.
 * @param states `[rows, width, size]`
 * @param length tokens of this row, at least 1, at most `width`: what is behind them is padding
 */
export function poolRow(
  states: Float32Array,
  { row, width, size, length }: { row: number; width: number; size: number; length: number },
  pooling: Pooling,
): Float32Array {
  const start = row * width * size;
  switch (pooling) {
    case 'cls':
      return states.slice(start, start + size);
    case 'last':
      return states.slice(start + (length - 1) * size, start + length * size);
    case 'mean':
      return meanOf(states, start, size, length);
    default:
      return pooling satisfies never;
  }
}

function meanOf(states: Float32Array, start: number, size: number, length: number): Float32Array {
  const sums = new Float64Array(size);
  for (let token = 0, at = start; token < length; token++) {
    for (let i = 0; i < size; i++) sums[i] = (sums[i] as number) + (states[at++] as number);
  }
  return Float32Array.from(sums, (sum) => sum / length);
}

/** Of length 1; a vector of zeros stays one. */
export function normalized(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0;
  return vector.map((value) => value * scale);
}

/** Between 0 and 1. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** Probabilities that sum up to 1. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  let most = -Infinity;
  for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i] as number);
  const shares = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}

/** `softmax`: one of the labels is true; `sigmoid`: each for itself; `raw`: the logits. */
export type Activation = 'softmax' | 'sigmoid' | 'raw';

/** Every label with its score, the best first. */
export function scoreLabels(
  logits: Float32Array,
  labels: readonly string[],
  activation: Activation,
): LabelScore[] {
  const scores = activate(logits, activation);
  return Array.from(scores, (score, i) => ({ label: labels[i] ?? `LABEL_${i}`, score })).toSorted(
    (a, b) => b.score - a.score,
  );
}

function activate(logits: Float32Array, activation: Activation): ArrayLike<number> {
  switch (activation) {
    case 'softmax':
      return softmax(logits);
    case 'sigmoid':
      return Float64Array.from(logits, sigmoid);
    case 'raw':
      return logits;
    default:
      return activation satisfies never;
  }
}
