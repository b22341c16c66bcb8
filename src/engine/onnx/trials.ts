import type { CacheLayer } from './cache-layers.js';
import { visibilityOf, worstOf, type Mask, type Visibility } from './causal-mask.js';
import type { GraphView } from './graph-view.js';
import { Prober, type Probe } from './probe/probe.js';
import { integers, uniform, unknown, type ProbeTensor } from './probe/tensor.js';

/** The graph tried out on one row of `newTokens` behind `past` cached ones, none of them padding. */
export interface Trial {
  readonly newTokens: number;
  readonly past: number;
  readonly probe: Probe;
}

/** Values that a trial takes as given, by name. */
export type Givens = readonly (readonly [string, ProbeTensor])[];

/** New tokens and past of some trials: between them they tell positions, lengths and masks apart. The first has both. */
export const SMALL_TRIALS = [
  [3, 4],
  [4, 0],
  [1, 5],
] as const;

/** The longest past that is tried, beyond what contexts are today: a window of attention shows. */
const LONG = 2 ** 18;

/** Runs trials of one graph. */
export class TrialRunner {
  readonly #prober: Prober;
  readonly #layers: readonly CacheLayer[];

  constructor(view: GraphView, layers: readonly CacheLayer[]) {
    this.#prober = new Prober(view);
    this.#layers = layers;
  }

  run(newTokens: number, past: number, givens: Givens): Trial {
    const values = new Map<string, ProbeTensor>([
      ['input_ids', { ...unknown([1, newTokens]), integer: true }],
      ['attention_mask', uniform([1, past + newTokens], 1, true)],
      ['position_ids', integers(positions(newTokens, past), [1, newTokens])],
      ['num_logits_to_keep', integers([0], [])],
    ]);
    for (const { kvHeads, headDim, pastKey, pastValue, transposedKeys } of this.#layers) {
      values.set(pastKey, unknown([1, kvHeads, ...(transposedKeys ? [headDim, past] : [past, headDim])]));
      values.set(pastValue, unknown([1, kvHeads, past, headDim]));
    }
    for (const [name, value] of givens) values.set(name, value);
    return { newTokens, past, probe: this.#prober.run(values) };
  }

  /**
   * How much one token sees of the longest past. A graph with tables of a fixed size can't run beyond these, and a probe of it
   * can't either: then it is the longest past that can be tried, of at least 255 tokens.
   */
  longVisibility(givens: Givens, masks: readonly Mask[]): Visibility {
    if (masks.length === 0) return 'all';
    for (let past = LONG - 1; past >= 255; past = (past + 1) / 2 - 1) {
      const trial = this.run(1, past, givens);
      const visibility = worstOf(masks.map((mask) => visibilityOf(mask, trial)));
      if (visibility !== 'unknown') return visibility;
    }
    return 'unknown';
  }
}

/** Positions of the new tokens of an unpadded row. */
export function positions(newTokens: number, past: number): number[] {
  return Array.from({ length: newTokens }, (_, i) => past + i);
}
