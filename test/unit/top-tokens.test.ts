import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { topIndices } from '../../src/engine/generation/top-tokens.js';

const anyValues = fc.array(fc.float({ noNaN: true }), { maxLength: 80 });
const manyTies = fc.array(fc.constantFrom(-3, 0, 0.5, 7), { maxLength: 80 });
const manyInfinities = fc.array(fc.constantFrom(-Infinity, -1, 2), { maxLength: 80 });

function compare(a: number, b: number): number {
  if (a === b) return 0; // their difference is NaN where both are infinite
  return a < b ? 1 : -1;
}

/** By a full sort. */
function firstOf(values: Float32Array, count: number): number[] {
  const order = Array.from(values, (_, i) => i);
  return order.toSorted((a, b) => compare(values[a]!, values[b]!) || a - b).slice(0, count);
}

describe('topIndices', () => {
  it.each([
    ['any values', anyValues],
    ['many ties', manyTies],
    ['many values of minus infinity', manyInfinities],
  ])('is the beginning of a full sort, of equals the first: %s', (_, arrays) => {
    fc.assert(
      fc.property(arrays, fc.nat(100), (array, count) => {
        const values = new Float32Array(array);
        expect(topIndices(values, count)).toEqual(firstOf(values, count));
      }),
      { numRuns: 500 },
    );
  });

  it('is a whole sort if more is asked for than there is', () => {
    expect(topIndices(new Float32Array([1, 3, 1, 2]), 9)).toEqual([1, 3, 0, 2]);
  });

  it('is empty if nothing is asked for, or nothing there', () => {
    expect(topIndices(new Float32Array([1, 2]), 0)).toEqual([]);
    expect(topIndices(new Float32Array(), 5)).toEqual([]);
  });

  it('leaves the values as they are', () => {
    const values = new Float32Array([2, 9, 4]);
    topIndices(values, 2);
    expect([...values]).toEqual([2, 9, 4]);
  });

  it('finds the few best of a large vocabulary', () => {
    const values = Float32Array.from({ length: 50_000 }, (_, i) => Math.sin(i * i));
    expect(topIndices(values, 20)).toEqual(firstOf(values, 20));
  });
});
