import type { Priority } from '../types.js';

/** What the choice of the next step may look at. */
export interface Schedulable {
  /** Ids grow with arrival. */
  readonly id: number;
  readonly priority: Priority;
}

export type StepPlan<T extends Schedulable> =
  { readonly kind: 'idle' } | { readonly kind: 'step'; readonly sequence: T };

/**
 * Chooses what the next step runs: one sequence, interactive before background, first come first served. Every sequence
 * owns its KV cache, so one that stops being chosen is parked where it is and goes on later without loss.
 *
 * A pure function: the loop that executes the plans knows nothing of the order.
 */
export function planStep<T extends Schedulable>(sequences: Iterable<T>): StepPlan<T> {
  let next: T | undefined;
  for (const sequence of sequences) {
    if (next === undefined || goesBefore(sequence, next)) next = sequence;
  }
  return next === undefined ? { kind: 'idle' } : { kind: 'step', sequence: next };
}

function goesBefore(a: Schedulable, b: Schedulable): boolean {
  if (a.priority !== b.priority) return a.priority === 'interactive';
  return a.id < b.id;
}
