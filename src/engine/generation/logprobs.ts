import type { TokenLogprob, TokenLogprobs } from '../types.js';
import { exponentiate, maximum, SEGMENT } from './exponential.js';
import type { Decode } from './detokenizer.js';
import { topIndices } from './top-tokens.js';

/** What the model itself says of a step: its log-probabilities, taken before the request changes its logits. */
export class StepLogprobs {
  readonly #top: readonly TokenLogprob[];
  readonly #logits: Float32Array;
  readonly #logSum: number;
  readonly #decode: Decode;

  /** @param count how many of the most probable tokens to tell */
  constructor(logits: Float32Array, count: number, decode: Decode) {
    this.#logits = logits.slice();
    this.#logSum = logSumExp(logits);
    this.#decode = decode;
    this.#top = topIndices(logits, count).map((token) => this.#of(token));
  }

  of(token: number): TokenLogprobs {
    return { ...this.#of(token), top: this.#top };
  }

  #of(token: number): TokenLogprob {
    return { token, text: this.#decode([token]), logprob: (this.#logits[token] as number) - this.#logSum };
  }
}

/** By tables (relative error 4e-6, as much in the logarithm): a step has the whole vocabulary of every row to sum. */
function logSumExp(logits: Float32Array): number {
  const max = maximum(logits);
  const sums = new Float64Array(Math.ceil(logits.length / SEGMENT));
  return max + Math.log(exponentiate(logits.slice(), max, 1, sums));
}
