import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breakEven, type BreakEven } from '../../../src/residency/break-even.js';

const GB = 2 ** 30;
const positive = fc.double({ min: 1e-3, max: 1e3, noNaN: true });

describe('breakEven', () => {
  it('is the example of docs/residency.md', () => {
    const even = breakEven(
      { memoryBytes: 0.5 * GB, loadCpuSeconds: 2 },
      { gbHourPrice: 0.005, cpuHourPrice: 0.04, currency: 'USD' },
    ) as BreakEven;
    expect(even.keepHourCost).toBeCloseTo(0.0025, 12);
    expect(even.loadCost).toBeCloseTo(0.000022222, 8);
    expect(even.requestsPerMinute).toBeCloseTo(1.875, 9);
    expect(even.idleSeconds).toBeCloseTo(32, 9);
  });

  it('keeps for ever what costs nothing to keep', () => {
    const prices = { gbHourPrice: 0, cpuHourPrice: 1, currency: 'EUR' };
    expect(breakEven({ memoryBytes: GB, loadCpuSeconds: 2 }, prices)).toMatchObject({
      requestsPerMinute: 0,
      idleSeconds: null,
    });
  });

  it.each([
    { memoryBytes: 0, loadCpuSeconds: 1 },
    { memoryBytes: 1, loadCpuSeconds: 0 },
  ])('compares nothing with nothing: %o', (cost) => {
    expect(breakEven(cost, { gbHourPrice: 1, cpuHourPrice: 1, currency: 'EUR' })).toBeUndefined();
  });

  it('is where both cost the same', () => {
    fc.assert(
      fc.property(positive, positive, positive, positive, (gb, loadCpuSeconds, gbHourPrice, cpuHourPrice) => {
        const prices = { gbHourPrice, cpuHourPrice, currency: 'EUR' };
        const even = breakEven({ memoryBytes: gb * GB, loadCpuSeconds }, prices) as BreakEven;
        const loadsOfAnHour = even.requestsPerMinute * 60 * even.loadCost;
        expect(loadsOfAnHour / even.keepHourCost).toBeCloseTo(1, 9);
        const keptForIdle = ((even.idleSeconds as number) / 3600) * even.keepHourCost;
        expect(keptForIdle / even.loadCost).toBeCloseTo(1, 9);
      }),
    );
  });

  it('gives a keepAlive that never costs more than twice what knowing every pause would have cost', () => {
    const pauses = fc.array(fc.double({ min: 0, max: 10_000, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(pauses, positive, positive, (seconds, gb, loadCpuSeconds) => {
        const prices = { gbHourPrice: 0.005, cpuHourPrice: 0.04, currency: 'USD' };
        const even = breakEven({ memoryBytes: gb * GB, loadCpuSeconds }, prices) as BreakEven;
        const keep = (time: number) => (time / 3600) * even.keepHourCost;
        const idle = even.idleSeconds as number;
        let paid = 0;
        let best = 0;
        for (const pause of seconds) {
          paid += pause <= idle ? keep(pause) : keep(idle) + even.loadCost;
          best += Math.min(keep(pause), even.loadCost);
        }
        expect(paid).toBeLessThanOrEqual(2 * best * (1 + 1e-9));
      }),
    );
  });
});
