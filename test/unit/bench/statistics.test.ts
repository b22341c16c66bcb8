import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitLine } from '../../../bench/support/linear-fit.js';
import { exponentialGap, seededRandom, wholeBetween } from '../../../bench/support/seeded-random.js';
import { median, percentile } from '../../../bench/support/statistics.js';

describe('percentile', () => {
  it('is a value that at least so many don’t exceed, and as small as that allows', () => {
    const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 100 }), (all, percent) => {
        const found = percentile(all, percent);
        const share = (test: (value: number) => boolean): number => all.filter(test).length / all.length;
        expect(all).toContain(found);
        expect(share((value) => value <= found) * 100).toBeGreaterThanOrEqual(percent);
        expect(share((value) => value < found) * 100).toBeLessThan(percent);
      }),
    );
  });

  it('of nothing is not a number', () => {
    expect(percentile([], 99)).toBeNaN();
  });
});

describe('median', () => {
  it('is the middle value, or the mean of two', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 100, 2])).toBe(3);
    expect(median([7])).toBe(7);
    expect(median([])).toBeNaN();
  });
});

describe('fitLine', () => {
  it('finds the line that points lie on', () => {
    const parameter = fc.integer({ min: -100, max: 100 });
    fc.assert(
      fc.property(parameter, parameter, (intercept, slope) => {
        const fit = fitLine([1, 2, 5, 11].map((x) => ({ x, y: intercept + slope * x })));
        expect(fit.intercept).toBeCloseTo(intercept);
        expect(fit.slope).toBeCloseTo(slope);
        expect(fit.rSquared).toBeCloseTo(1);
      }),
    );
  });

  it('says how much of the variance it explains', () => {
    // by hand: the line is y = 2 + 0.5 x, explains 0.5 of a variance of 2
    const fit = fitLine([0, 1, 2].map((x, i) => ({ x, y: [2, 2, 3][i] as number })));
    expect(fit.slope).toBeCloseTo(0.5);
    expect(fit.rSquared).toBeCloseTo(0.75);
  });
});

describe('seededRandom', () => {
  it('draws the same from the same seed, and something else from another', () => {
    const draw = (seed: string | number): number[] => Array.from({ length: 8 }, seededRandom(seed));
    expect(draw('a')).toEqual(draw('a'));
    expect(draw('a')).not.toEqual(draw('b'));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('spreads whole numbers over the whole range', () => {
    const random = seededRandom('range');
    const drawn = new Set(Array.from({ length: 500 }, () => wholeBetween(random, 3, 7)));
    expect(drawn).toEqual(new Set([3, 4, 5, 6, 7]));
  });

  it('waits as long on average as events that come at random do', () => {
    const random = seededRandom('gaps');
    const gaps = Array.from({ length: 20_000 }, () => exponentialGap(random, 4));
    expect(gaps.reduce((a, b) => a + b, 0) / gaps.length).toBeCloseTo(250, -1);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
  });
});
