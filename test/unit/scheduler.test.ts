import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planStep, type Schedulable } from '../../src/engine/generation/scheduler.js';

/** Any number of waiting sequences, in any order. */
const waiting = fc.uniqueArray(
  fc.record<Schedulable>({
    id: fc.integer({ min: 1, max: 1000 }),
    priority: fc.constantFrom('interactive', 'background'),
  }),
  { selector: ({ id }) => id, maxLength: 20 },
);

function chosen(sequences: Iterable<Schedulable>): Schedulable | undefined {
  const plan = planStep(sequences);
  return plan.kind === 'step' ? plan.sequence : undefined;
}

/** The order in which the sequences run if each ends with its step. */
function order(sequences: readonly Schedulable[]): Schedulable[] {
  const left = new Set(sequences);
  const done: Schedulable[] = [];
  for (let next = chosen(left); next; next = chosen(left)) {
    done.push(next);
    left.delete(next);
  }
  return done;
}

describe('planStep', () => {
  it('is idle if and only if nothing waits', () => {
    fc.assert(
      fc.property(waiting, (sequences) => {
        expect(planStep(sequences).kind).toBe(sequences.length === 0 ? 'idle' : 'step');
      }),
    );
  });

  it('runs interactive sequences before background ones, and each class in order of arrival', () => {
    fc.assert(
      fc.property(waiting, (sequences) => {
        const byArrival = sequences.toSorted((a, b) => a.id - b.id);
        expect(order(sequences)).toEqual([
          ...byArrival.filter(({ priority }) => priority === 'interactive'),
          ...byArrival.filter(({ priority }) => priority === 'background'),
        ]);
      }),
    );
  });

  it('keeps to its choice until something more urgent comes', () => {
    fc.assert(
      fc.property(waiting, (sequences) => {
        const now = chosen(sequences);
        if (!now) return;
        const later = { id: 2000, priority: 'background' } as const;
        expect(chosen([...sequences, later])).toBe(now);
      }),
    );
  });
});
