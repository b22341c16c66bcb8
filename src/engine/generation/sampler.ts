import { Random } from './random.js';

export interface SamplerOptions {
  /** 0 is greedy. */
  readonly temperature: number;
  /** Nucleus mass in [0, 1]; 1 keeps every token, 0 only the most probable. */
  readonly topP: number;
  readonly seed?: number | undefined;
}

/** Chooses the next token of one request. */
export class Sampler {
  readonly #options: SamplerOptions;
  readonly #random: Random;

  constructor(options: SamplerOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  /** @param logits of the whole vocabulary; overwritten unless decoding is greedy */
  sample(logits: Float32Array): number {
    const { temperature, topP } = this.#options;
    if (temperature === 0 || topP === 0) return argmax(logits);
    const total = exponentiate(logits, temperature);
    const draw = this.#random.next();
    return topP < 1 ? drawFromNucleus(logits, total, topP, draw) : drawFrom(logits, draw * total);
  }
}

/**
 * The index of the largest value; the first of equals, as in Transformers.js.
 * @throws Error if no value is a number: the forward pass went wrong
 */
export function argmax(values: Float32Array): number {
  let best = -1;
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value > max) {
      max = value;
      best = i;
    }
  }
  if (best < 0) throw new Error('the logits are not numbers (NaN)');
  return best;
}

/** Turns logits into unnormalised probabilities, in place. Returns their sum. */
function exponentiate(logits: Float32Array, temperature: number): number {
  const max = logits[argmax(logits)] as number;
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    const weight = Math.exp(((logits[i] as number) - max) / temperature);
    logits[i] = weight;
    total += logits[i] as number; // as stored: float32
  }
  if (!Number.isFinite(total)) throw new Error('the logits are not numbers (NaN)');
  return total;
}

function drawFrom(weights: Float32Array, target: number): number {
  let sum = 0;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (weight === 0) continue;
    sum += weight;
    last = i;
    if (sum > target) return i;
  }
  return last; // rounding left target at or above the sum
}

/**
 * Nucleus sampling (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751): draws from the smallest set of most probable
 * tokens whose mass reaches topP. Tokens below (1 - topP) / V together hold less than 1 - topP, so none of them is in
 * that set: only the rest is sorted, a handful even at a vocabulary of 50,000.
 */
function drawFromNucleus(weights: Float32Array, total: number, topP: number, draw: number): number {
  const floor = ((1 - topP) * total) / weights.length;
  const candidates: number[] = [];
  for (let i = 0; i < weights.length; i++) {
    if ((weights[i] as number) >= floor) candidates.push(i);
  }
  candidates.sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b);
  let mass = 0;
  let size = 0;
  while (size < candidates.length && mass < topP * total)
    mass += weights[candidates[size++] as number] as number;
  let target = draw * mass;
  for (let i = 0; i < size; i++) {
    const token = candidates[i] as number;
    target -= weights[token] as number;
    if (target < 0) return token;
  }
  return candidates[size - 1] as number;
}
