import { Random } from './random.js';
import { topIndices } from './top-tokens.js';

export interface SamplerOptions {
  /** 0 is greedy. */
  readonly temperature: number;
  /** Nucleus mass in [0, 1]; 1 keeps every token, 0 only the most probable. */
  readonly topP: number;
  /** 0 keeps every token. */
  readonly topK: number;
  /** Share of the most probable token's probability in [0, 1]; 0 keeps every token. */
  readonly minP: number;
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

  /**
   * Temperature, then top-k, then top-p of what that left, then min-p: the order of Transformers.
   * @param logits of the whole vocabulary; overwritten unless decoding is greedy
   */
  sample(logits: Float32Array): number {
    const { temperature, topP, topK, minP } = this.#options;
    if (temperature === 0 || topP === 0) return argmax(logits);
    // of the logits, not of what exponentiation makes of them: near ties stay apart
    const top = topK > 0 ? topIndices(logits, topK) : undefined;
    const weights = logits;
    const total = exponentiate(weights, temperature);
    const draw = this.#random.next();
    if (!top && topP === 1 && minP === 0) return drawFrom(weights, draw * total);
    const sorted = top?.filter((token) => weights[token] !== 0) ?? aboveFloor(weights, total, topP, minP);
    let kept = nucleus(weights, sorted, topP * (top ? sum(weights, sorted) : total));
    // the most probable token has weight 1
    if (minP > 0) kept = kept.filter((token) => (weights[token] as number) >= minP);
    return drawFromKept(weights, kept, draw);
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
  let held = 0;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (weight === 0) continue;
    held += weight;
    last = i;
    if (held > target) return i;
  }
  return last; // rounding left target at or above the sum
}

/**
 * The tokens that top-p or min-p can keep, most probable first. Tokens below (1 - topP) / V together hold less than 1 - topP, so
 * none of them is in the nucleus: only the rest is sorted, a handful even at a vocabulary of 50,000.
 */
function aboveFloor(weights: Float32Array, total: number, topP: number, minP: number): number[] {
  const floor = Math.max(((1 - topP) * total) / weights.length, minP);
  const kept: number[] = [];
  for (let i = 0; i < weights.length; i++) {
    if ((weights[i] as number) >= floor) kept.push(i);
  }
  return kept.toSorted((a, b) => (weights[b] as number) - (weights[a] as number));
}

/** Nucleus sampling (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751): the first tokens that together hold `mass`. */
function nucleus(weights: Float32Array, sorted: readonly number[], mass: number): number[] {
  let held = 0;
  let size = 0;
  while (size < sorted.length && held < mass) held += weights[sorted[size++] as number] as number;
  return sorted.slice(0, size);
}

function sum(weights: Float32Array, tokens: readonly number[]): number {
  return tokens.reduce((total, token) => total + (weights[token] as number), 0);
}

function drawFromKept(weights: Float32Array, kept: readonly number[], draw: number): number {
  let target = draw * sum(weights, kept);
  for (const token of kept) {
    target -= weights[token] as number;
    if (target < 0) return token;
  }
  return kept.at(-1) as number;
}
