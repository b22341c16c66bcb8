import { exponentiate, maximum, SEGMENT } from './exponential.js';
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
  #sums: Float64Array | undefined;

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
    const best = argmax(logits);
    if (temperature === 0 || topP === 0) return best;
    const max = logits[best] as number;
    const draw = this.#random.next();
    if (topK > 0) return drawFrom(this.#ofTopK(logits, max), draw);
    // what min-p leaves out is known by its logit: only the rest is exponentiated
    if (topP === 1 && minP > 0)
      return drawFrom(
        weigh(logits, aboveLogit(logits, max + temperature * Math.log(minP)), max, temperature),
        draw,
      );
    this.#sums ??= new Float64Array(Math.ceil(logits.length / SEGMENT));
    const total = exponentiate(logits, max, temperature, this.#sums);
    if (topP === 1) return drawFromAll(logits, this.#sums, draw * total);
    const kept = nucleus(aboveFloor(logits, total, topP, minP), topP * total);
    return drawFrom(keepAbove(kept, minP), draw);
  }

  #ofTopK(logits: Float32Array, max: number): Candidate[] {
    const { temperature, topP, topK, minP } = this.#options;
    // of the logits, not of what exponentiation makes of them: near ties stay apart
    const top = weigh(logits, topIndices(logits, topK), max, temperature);
    return keepAbove(topP === 1 ? top : nucleus(top, topP * sum(top)), minP);
  }
}

/** A token that may be drawn, and how probable it is beside the most probable one, whose weight is 1. */
interface Candidate {
  readonly token: number;
  readonly weight: number;
}

/**
 * The index of the largest value; the first of equals, as in Transformers.js.
 * @throws Error if no value is a number: the forward pass went wrong
 */
export function argmax(values: Float32Array): number {
  const max = maximum(values);
  if (max === -Infinity) throw new Error('the logits are not numbers (NaN)');
  return values.indexOf(max);
}

function weigh(
  logits: Float32Array,
  tokens: readonly number[],
  max: number,
  temperature: number,
): Candidate[] {
  return tokens.map((token) => ({
    token,
    weight: Math.exp(((logits[token] as number) - max) / temperature),
  }));
}

function aboveLogit(logits: Float32Array, floor: number): number[] {
  const tokens: number[] = [];
  for (let i = 0; i < logits.length; i++) {
    if ((logits[i] as number) >= floor) tokens.push(i);
  }
  return tokens;
}

function keepAbove(candidates: Candidate[], minP: number): Candidate[] {
  return minP > 0 ? candidates.filter(({ weight }) => weight >= minP) : candidates;
}

/** @param sums of the segments of `weights` */
function drawFromAll(weights: Float32Array, sums: Float64Array, target: number): number {
  let left = target;
  let segment = 0;
  while (segment < sums.length - 1 && left >= (sums[segment] as number)) left -= sums[segment++] as number;
  let last = 0;
  for (let i = segment * SEGMENT; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (weight === 0) continue;
    last = i;
    left -= weight;
    if (left < 0) return i;
  }
  // rounding left the target at or above the sum
  return last > 0 ? last : weights.findLastIndex((weight) => weight > 0);
}

/**
 * The tokens that top-p or min-p can keep, most probable first. Tokens below (1 - topP) / V together hold less than 1 - topP, so
 * none of them is in the nucleus: only the rest is sorted, a handful even at a vocabulary of 50,000.
 */
function aboveFloor(weights: Float32Array, total: number, topP: number, minP: number): Candidate[] {
  const floor = Math.max(((1 - topP) * total) / weights.length, minP);
  return aboveLogit(weights, floor)
    .map((token) => ({ token, weight: weights[token] as number }))
    .toSorted((a, b) => b.weight - a.weight);
}

/** Nucleus sampling (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751): the first tokens that together hold `mass`. */
function nucleus(sorted: readonly Candidate[], mass: number): Candidate[] {
  let held = 0;
  let size = 0;
  while (size < sorted.length && held < mass) held += (sorted[size++] as Candidate).weight;
  return sorted.slice(0, size);
}

function sum(candidates: readonly Candidate[]): number {
  return candidates.reduce((total, { weight }) => total + weight, 0);
}

function drawFrom(candidates: readonly Candidate[], draw: number): number {
  let target = draw * sum(candidates);
  if (Number.isNaN(target)) throw new Error('the logits are not numbers (NaN)');
  for (const { token, weight } of candidates) {
    target -= weight;
    if (target < 0) return token;
  }
  return (candidates.at(-1) as Candidate).token;
}
