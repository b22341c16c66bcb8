import { broadcastTo, elements, type ProbeTensor } from './probe/tensor.js';
import type { Trial } from './trials.js';

/** Added to a score, this leaves nothing of its probability; graphs use anything from -1e4 to -infinity. */
const FORBIDDING = -1e4;

/** How much of what causality allows a mask lets be seen; `unknown` where a trial can't compute it. */
export type Visibility = 'all' | 'some' | 'unknown';

/** Something that hides tokens between the scores and the softmax. */
export type Mask =
  | { readonly kind: 'bias'; readonly name: string }
  /** A condition under which the score is kept (`kept`), or replaced (not `kept`). */
  | { readonly kind: 'condition'; readonly name: string; readonly kept: boolean };

export function worstOf(visibilities: readonly Visibility[]): Visibility {
  if (visibilities.includes('some')) return 'some';
  return visibilities.includes('unknown') ? 'unknown' : 'all';
}

export function visibilityOf(mask: Mask, trial: Trial): Visibility {
  const open = mask.kind === 'bias' ? 0 : Number(mask.kept);
  const grid = gridOf(trial, mask.name);
  if (grid === undefined || grid.some(Number.isNaN)) return 'unknown';
  return grid.every((value, at) => !isAllowed(trial, at) || value === open) ? 'all' : 'some';
}

/** Whether a value that is added to scores is the causal mask of the trial and nothing more. */
export function isCausalBias(trial: Trial, name: string): boolean {
  return (
    gridOf(trial, name)?.every((value, at) => (isAllowed(trial, at) ? value === 0 : value <= FORBIDDING)) ===
    true
  );
}

/** Whether causality lets new token `i` see token `j`; `at` counts `[.., i, j]`. */
function isAllowed({ newTokens, past }: Trial, at: number): boolean {
  const total = past + newTokens;
  return at % total <= past + (Math.floor(at / total) % newTokens);
}

/** The mask for every pair of tokens, broadcast as the scores would have it. */
function gridOf({ newTokens, past, probe }: Trial, name: string): Float64Array | undefined {
  const value = probe.get(name);
  if (value === undefined || !fits(value, [newTokens, past + newTokens])) return undefined;
  return elements(broadcastTo(value, [...value.dims.slice(0, -2), newTokens, past + newTokens]));
}

function fits({ dims }: ProbeTensor, last: readonly number[]): boolean {
  const own = dims.slice(-2);
  return own.every((dim, i) => dim === 1 || dim === last[i + 2 - own.length]);
}
