import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PositionSet } from '../../../src/engine/kv/position-set.js';

/** One word, two levels, three levels; each with and without a word that is not full. */
const capacities = fc.constantFrom(1, 31, 32, 33, 1024, 1025, 40_000);

describe('PositionSet', () => {
  it('agrees with a plain set on members, size, lowest and highest', () => {
    fc.assert(
      fc.property(
        capacities,
        fc.array(fc.tuple(fc.boolean(), fc.nat()), { maxLength: 200 }),
        (capacity, changes) => {
          const positions = new PositionSet(capacity);
          const expected = new Set<number>();
          for (const [add, number] of changes) {
            const position = number % capacity;
            if (add) positions.add(position);
            else positions.delete(position);
            if (add) expected.add(position);
            else expected.delete(position);
            expect(positions.size).toBe(expected.size);
            expect(positions.has(position)).toBe(add);
            expect(positions.lowest()).toBe(expected.size === 0 ? -1 : Math.min(...expected));
            expect(positions.highest()).toBe(expected.size === 0 ? -1 : Math.max(...expected));
          }
        },
      ),
    );
  });

  it('empties from either end in order', () => {
    const positions = new PositionSet(3000);
    const members = Array.from({ length: 200 }, (_, i) => i * 15 + (i % 7));
    for (const member of members) positions.add(member);
    const low: number[] = [];
    const high: number[] = [];
    for (let pair = 0; pair < 100; pair++) {
      const ends = [positions.lowest(), positions.highest()] as const;
      low.push(ends[0]);
      high.unshift(ends[1]);
      for (const end of ends) positions.delete(end);
    }
    expect([...low, ...high]).toEqual(members);
    expect(positions.size).toBe(0);
  });
});
