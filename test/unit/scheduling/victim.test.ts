import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Scheduled } from '../../../src/engine/scheduling/scheduled.js';
import { chooseVictim } from '../../../src/engine/scheduling/victim.js';
import { situations } from './situations.js';

/** Who goes first, as a number: the higher, the sooner. */
function rank({ running, priority, id }: Scheduled): number {
  return (running ? 0 : 2000) + (priority === 'background' ? 1000 : 0) + id;
}

describe('chooseVictim', () => {
  it('takes from parked ones before running ones, background before interactive, the newest first', () => {
    fc.assert(
      fc.property(situations, fc.nat(), ({ sequences }, pick) => {
        const running = sequences.filter((each) => each.running);
        const needing = running[pick % running.length];
        if (!needing) return;
        const victim = chooseVictim(sequences, needing);
        const candidates = sequences.filter((each) => each === needing || each.blocks > 0);
        expect(rank(victim)).toBe(Math.max(...candidates.map(rank)));
        expect(victim === needing || victim.blocks > 0).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('never takes from a running one that comes before the one that needs it, even if that holds nothing yet', () => {
    const person: Scheduled = {
      id: 1,
      priority: 'interactive',
      client: '',
      running: true,
      tokens: 90,
      cached: 89,
      blocks: 3,
    };
    const batch: Scheduled = { ...person, id: 2, priority: 'background', tokens: 5, cached: 0, blocks: 0 };
    expect(chooseVictim([person, batch], batch)).toBe(batch);
    expect(chooseVictim([person, batch], person)).toBe(person);
    const later: Scheduled = { ...batch, id: 3, priority: 'interactive' };
    expect(chooseVictim([person, batch, later], later)).toBe(later);
  });
});
