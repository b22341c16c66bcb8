import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reloadSecondsAvoided, toEntry } from '../../../src/residency/ledger.js';
import type { ModelUsage } from '../../../src/index.js';

const PRICES = { gbHourPrice: 0.005, cpuHourPrice: 0.04, currency: 'USD' };

function usage(facts: Partial<ModelUsage>): ModelUsage {
  const counts = { loads: 0, loadMs: 0, loadCpuMs: 0, restarts: 0, requests: 0, residentSeconds: 0 };
  return { name: 'tales', state: 'ready', ...counts, ...facts };
}

describe('reloadSecondsAvoided', () => {
  it('is the mean load for each request that needed none', () => {
    expect(reloadSecondsAvoided({ requests: 42, loads: 2, loadMs: 3000 })).toBe(60);
  });

  it('is never less than nothing, and nothing before the first load', () => {
    expect(reloadSecondsAvoided({ requests: 1, loads: 3, loadMs: 3000 })).toBe(0);
    expect(reloadSecondsAvoided({ requests: 0, loads: 0, loadMs: 0 })).toBe(0);
  });

  it('is what each load had cost, had all been alike', () => {
    const counts = fc.record({
      requests: fc.nat(1000),
      loads: fc.integer({ min: 1, max: 20 }),
      each: fc.nat(9999),
    });
    fc.assert(
      fc.property(counts, ({ requests, loads, each }) => {
        const avoided = reloadSecondsAvoided({ requests, loads, loadMs: loads * each });
        expect(avoided).toBeCloseTo((Math.max(0, requests - loads) * each) / 1000, 6);
      }),
    );
  });
});

describe('toEntry', () => {
  it('knows nothing to compare before the first load', () => {
    expect(toEntry(usage({ state: 'idle' }), 0, undefined, PRICES)).toMatchObject({
      loads: 0,
      lastLoadSeconds: null,
      loadCpuSeconds: null,
      memoryBytes: null,
      reloadSecondsAvoided: 0,
      breakEven: null,
      suggestion: null,
    });
  });

  it('says seconds, and compares the mean of the loads with the memory', () => {
    const loaded = usage({ loads: 2, loadMs: 3000, lastLoadMs: 1000, loadCpuMs: 4000, requests: 42 });
    expect(toEntry(loaded, 6, 2 ** 29, PRICES)).toMatchObject({
      loadSeconds: 3,
      lastLoadSeconds: 1,
      loadCpuSeconds: 2,
      requests: 42,
      requestsPerMinute: 6,
      reloadSecondsAvoided: 60,
      memoryBytes: 2 ** 29,
      breakEven: { requestsPerMinute: expect.closeTo(1.875, 9), idleSeconds: expect.closeTo(32, 9) },
      suggestion: { keepAlive: 'always' },
    });
  });
});
