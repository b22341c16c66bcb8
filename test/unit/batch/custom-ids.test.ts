import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CustomIds } from '../../../src/batch/lines/custom-ids.js';

describe('the ids of a batch', () => {
  it('are new exactly once', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 2 }), { maxLength: 3000 }), (names) => {
        const ids = new CustomIds();
        const seen = new Set<string>();
        for (const name of names) {
          expect(ids.add(name)).toBe(!seen.has(name));
          seen.add(name);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('take less than 40 bytes each, however long they are', () => {
    const count = 200_000;
    const ids = new CustomIds();
    const end = 'x'.repeat(100);
    for (let i = 0; i < count; i++) ids.add(`${i}${end}`);
    expect(ids.bytes / count).toBeLessThan(40);
    for (let i = 0; i < count; i += 1000) expect(ids.add(`${i}${end}`)).toBe(false);
  });
});
