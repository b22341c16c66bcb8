import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestRate } from '../../../src/residency/request-rate.js';

const MINUTE = 60_000;

/** Times after `start` in order, and a window of its own. */
const arrivals = fc.record({
  start: fc.integer({ min: 0, max: 1_000_000 }),
  waits: fc.array(fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 400_000 })), {
    maxLength: 80,
  }),
  window: fc.record({
    buckets: fc.integer({ min: 2, max: 20 }),
    bucketMs: fc.integer({ min: 1000, max: 20_000 }),
  }),
});

describe('RequestRate', () => {
  it('is what counting every arrival of the window gives, whenever it is asked', () => {
    fc.assert(
      fc.property(arrivals, ({ start, waits, window }) => {
        const rate = new RequestRate(start, window);
        const all: number[] = [];
        let now = start;
        for (const wait of waits) {
          now += wait;
          // asking changes nothing
          if (all.length % 3 === 0) rate.perMinute(now);
          rate.record(now);
          all.push(now);
          const windowStart = (Math.floor(now / window.bucketMs) - window.buckets + 1) * window.bucketMs;
          const counted = all.filter((time) => time >= windowStart).length;
          const covered = Math.max(now - Math.max(windowStart, start), MINUTE);
          expect(rate.perMinute(now)).toBeCloseTo((counted / covered) * MINUTE, 9);
        }
      }),
    );
  });

  it('forgets what is older than the window, and nothing that is younger than it less a bucket', () => {
    const rate = new RequestRate(0);
    for (let second = 0; second < 600; second += 6) rate.record(second * 1000);
    expect(rate.perMinute(599_000)).toBeCloseTo(10, 1);
    expect(rate.perMinute(594_000 + 590_000 - 1)).toBeGreaterThan(0);
    expect(rate.perMinute(594_000 + 600_000)).toBe(0);
  });

  it('takes no rate from less than a minute', () => {
    const rate = new RequestRate(5000);
    rate.record(5001);
    rate.record(5002);
    expect(rate.perMinute(5003)).toBe(2);
  });
});
