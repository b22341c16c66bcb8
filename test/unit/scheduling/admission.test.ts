import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planAdmission } from '../../../src/engine/scheduling/admission.js';
import { blocksFor, type BackgroundShare, type Scheduled } from '../../../src/engine/scheduling/scheduled.js';
import type { Priority } from '../../../src/engine/types.js';
import { needed, situations, sum, type Situation } from './situations.js';

/** A situation, its plan, and who is where when the plan is carried out. */
function carriedOut({ sequences, limits, room }: Situation, share?: BackgroundShare) {
  const plan = planAdmission(sequences, limits, room, share);
  const { park, evict, admit } = plan;
  const after = sequences.map((each): Scheduled => {
    const running =
      (each.running && !park.includes(each.id) && !evict.includes(each.id)) || admit.includes(each.id);
    return evict.includes(each.id) ? { ...each, running, cached: 0, blocks: 0 } : { ...each, running };
  });
  const of = (id: number): Scheduled => sequences.find((each) => each.id === id) as Scheduled;
  const rows = after.filter(({ running }) => running);
  const freed = sum(evict.map((id) => of(id).blocks));
  return { ...plan, of, after, rows, available: room.available + freed };
}

function isOf(priority: Priority): (sequence: Scheduled) => boolean {
  return (sequence) => sequence.priority === priority;
}

/** The order in which these get rows if there are enough: of the client with the fewest rows, the oldest; by the book. */
function fairOrder(waiting: readonly Scheduled[], rows: readonly Scheduled[]): number[] {
  const left = waiting.toSorted((a, b) => a.id - b.id);
  const clients = rows.map(({ client }) => client);
  const order: number[] = [];
  while (left.length > 0) {
    const count = ({ client }: Scheduled): number => clients.filter((other) => other === client).length;
    const fewest = Math.min(...left.map(count));
    const next = left.find((each) => count(each) === fewest) as Scheduled;
    left.splice(left.indexOf(next), 1);
    clients.push(next.client);
    order.push(next.id);
  }
  return order;
}

function expectOfAll(check: (situation: Situation, result: ReturnType<typeof carriedOut>) => void): void {
  fc.assert(
    fc.property(situations, (situation) => check(situation, carriedOut(situation))),
    { numRuns: 800 },
  );
}

describe('planAdmission', () => {
  it('never lets more sequences run than there are rows', () => {
    expectOfAll(({ sequences, limits }, { rows }) => {
      const before = sequences.filter(({ running }) => running).length;
      expect(rows.length).toBeLessThanOrEqual(Math.max(limits.maxRows, before));
    });
  });

  it('admits who waits, parks who runs, evicts who has something to lose, and nobody is admitted and parked', () => {
    expectOfAll((_, { park, evict, admit, of }) => {
      for (const ids of [park, evict, admit]) expect(new Set(ids).size).toBe(ids.length);
      expect(park.filter((id) => admit.includes(id))).toEqual([]);
      expect(admit.filter((id) => of(id).running)).toEqual([]);
      expect(park.filter((id) => !of(id).running)).toEqual([]);
      // what runs has a row to lose, unless it was parked before
      expect(evict.filter((id) => of(id).blocks === 0 && (!of(id).running || park.includes(id)))).toEqual([]);
    });
  });

  it('takes rows and cache from background sequences only', () => {
    expectOfAll((_, { park, evict, of }) => {
      expect([...park, ...evict].filter((id) => of(id).priority !== 'background')).toEqual([]);
    });
  });

  it('takes nothing from anybody unless that admits somebody', () => {
    expectOfAll((_, { park, evict, admit }) => {
      if (admit.length > 0) return;
      expect({ park, evict }).toEqual({ park: [], evict: [] });
    });
  });

  it('evicts nobody where all fit as it is', () => {
    expectOfAll(({ sequences, room }, { evict, admit }) => {
      if (evict.length === 0) return;
      const rows = sequences.filter(({ id, running }) => running || admit.includes(id));
      const all = sum(rows.map((each) => needed(each, room)));
      expect(all + rows.length - 1).toBeGreaterThan(room.available);
    });
  });

  it('admits only what fits into what is available and was freed, with a block for each row to grow by', () => {
    expectOfAll(({ room }, { admit, rows, available }) => {
      if (admit.length === 0) return;
      const all = sum(rows.map((each) => needed(each, room)));
      expect(all + rows.length - 1).toBeLessThanOrEqual(available);
    });
  });

  it('admits of each priority a part of the fair order, without a gap: nobody overtakes who does not fit', () => {
    expectOfAll(({ sequences }, { rows, admit, of }) => {
      for (const priority of ['interactive', 'background'] as const) {
        const waiting = sequences.filter((each) => !each.running && each.priority === priority);
        const stayed = rows.filter((each) => each.priority === priority && !admit.includes(each.id));
        const admitted = admit.filter((id) => of(id).priority === priority);
        expect(admitted).toEqual(fairOrder(waiting, stayed).slice(0, admitted.length));
      }
    });
  });

  it('admits background sequences only up to their own rows while interactive ones wait', () => {
    expectOfAll(({ limits }, { after, rows, admit, of }) => {
      const left = after.filter((each) => !each.running && each.priority === 'interactive');
      if (left.length === 0 || admit.every((id) => of(id).priority === 'interactive')) return;
      expect(rows.filter(isOf('background')).length).toBeLessThanOrEqual(limits.backgroundRows);
    });
  });

  it('parks background sequences only beyond their own rows', () => {
    expectOfAll(({ sequences, limits }, { park }) => {
      const before = sequences.filter((each) => each.running && each.priority === 'background').length;
      if (park.length === 0) return;
      expect(before - park.length).toBeGreaterThanOrEqual(limits.backgroundRows);
    });
  });

  it('lets an interactive sequence wait only for rows of others, or for more cache than all background has', () => {
    expectOfAll(({ sequences, limits, room }, { after }) => {
      const interactive = after.filter(isOf('interactive'));
      const rows = interactive.filter(({ running }) => running);
      const next = fairOrder(
        interactive.filter(({ running }) => !running),
        rows,
      )[0];
      if (next === undefined) return;
      const background = sequences.filter(isOf('background'));
      const kept = background.length > 0 ? limits.backgroundRows : 0;
      if (rows.length >= limits.maxRows - kept) return;
      const all = room.available + sum(background.map(({ blocks }) => blocks));
      const left = all - sum(rows.map((each) => needed(each, room)));
      const { tokens } = sequences.find(({ id }) => id === next) as Scheduled;
      expect(blocksFor(tokens, room) + rows.length).toBeGreaterThan(left);
    });
  });

  it('lets a background sequence wait only for interactive ones, rows, or more cache than parked ones have', () => {
    expectOfAll(({ limits, room }, { after, rows, available, of }) => {
      if (after.some((each) => !each.running && each.priority === 'interactive')) return;
      // who loses a row by this plan may have one by the next
      const waiting = after.filter(
        (each) => !each.running && each.priority === 'background' && !of(each.id).running,
      );
      const id = fairOrder(waiting, rows.filter(isOf('background')))[0];
      const next = after.find((each) => each.id === id);
      if (!next || rows.length >= limits.maxRows) return;
      const parked = sum(waiting.map((each) => (each === next ? 0 : each.blocks)));
      const left = available + parked - sum(rows.map((each) => needed(each, room)));
      expect(needed(next, room) + rows.length).toBeGreaterThan(left);
    });
  });

  it('parks the newest, and only where all rows are taken', () => {
    expectOfAll(({ limits }, { park, evict, rows, admit, of }) => {
      if (park.length === 0) return;
      const stayed = rows.filter((each) => each.priority === 'background' && !admit.includes(each.id));
      expect(Math.max(0, ...stayed.map(({ id }) => id))).toBeLessThan(Math.min(...park));
      const evicted = evict.filter((id) => of(id).running && !park.includes(id)).length;
      expect(rows.length + evicted).toBeGreaterThanOrEqual(limits.maxRows);
    });
  });

  it('evicts parked sequences before running ones, and of both the newest first', () => {
    expectOfAll((_, { evict, after, of, park }) => {
      // who is parked by this very plan still ran when others were evicted
      const ran = ({ id }: Scheduled): boolean => of(id).running;
      const holding = after.filter((each) => each.priority === 'background' && each.blocks > 0);
      const kept = (running: boolean): number[] =>
        holding
          .filter((each) => ran(each) === running && !park.includes(each.id) && (running || !each.running))
          .map(({ id }) => id);
      const [fromRows, fromParked] = [true, false].map((running) =>
        evict.filter((id) => of(id).running === running),
      );
      expect(fromRows!.length > 0 && kept(false).length > 0).toBe(false);
      expect(Math.max(0, ...kept(true))).toBeLessThan(Math.min(Infinity, ...fromRows!));
      expect(Math.max(0, ...kept(false))).toBeLessThan(Math.min(Infinity, ...fromParked!));
    });
  });

  it('admits somebody if nobody runs and somebody waits', () => {
    expectOfAll(({ sequences }, { admit }) => {
      if (sequences.length === 0 || sequences.some(({ running }) => running)) return;
      expect(admit.length).toBeGreaterThan(0);
    });
  });

  it('depends on nothing but the sequences, not on the order in which it meets them', () => {
    expectOfAll(({ sequences, limits, room }, { park, evict, admit }) => {
      const sorted = sequences.toSorted((a, b) => a.id - b.id);
      expect(planAdmission(sorted, limits, room)).toEqual({ park, evict, admit });
    });
  });

  it('leaves background sequences no more rows than their share while people are about, and parks the newest', () => {
    fc.assert(
      fc.property(situations, fc.integer({ min: 1, max: 5 }), (situation, most) => {
        const { sequences, limits } = situation;
        const running = sequences.filter((each) => each.running && each.priority === 'background');
        const { rows, park } = carriedOut(situation, { rows: most, promptTokens: 0 });
        const share = Math.max(most, limits.backgroundRows);
        expect(rows.filter(isOf('background')).length).toBeLessThanOrEqual(share);
        const oldest = running.map(({ id }) => id).toSorted((a, b) => a - b);
        expect(park.filter((id) => oldest.indexOf(id) < limits.backgroundRows)).toEqual([]);
      }),
      { numRuns: 800 },
    );
  });

  it('does not mind a share that background sequences do not fill', () => {
    expectOfAll((situation, { park, evict, admit }) => {
      const { sequences, limits, room } = situation;
      const share = { rows: Math.max(1, sequences.length), promptTokens: 0 };
      expect(planAdmission(sequences, limits, room, share)).toEqual({ park, evict, admit });
    });
  });

  it('counts what those need no more that it parks', () => {
    const waiting = { priority: 'interactive', client: 'a', running: false, cached: 0, blocks: 0 } as const;
    const batch = { ...waiting, priority: 'background', running: true, tokens: 4 } as const;
    const sequences = [
      { ...batch, id: 1 },
      { ...batch, id: 2 },
      { ...waiting, id: 3, tokens: 2 },
      { ...waiting, id: 4, tokens: 6 },
    ];
    const limits = {
      maxRows: 2,
      backgroundRows: 0,
      backgroundChunk: 64,
      backgroundPassMs: 20,
      prefillChunk: 8,
      stepTokens: 8,
    };
    const plan = planAdmission(sequences, limits, { blockTokens: 1, available: 12 });
    expect(plan).toEqual({ park: [2], evict: [1], admit: [3, 4] });
  });
});
