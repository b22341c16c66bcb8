import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breakEven, type BreakEven } from '../../../src/residency/break-even.js';
import { suggest, toKeepAlive } from '../../../src/residency/suggest.js';

const COST = { memoryBytes: 2 ** 29, loadCpuSeconds: 2 };
const EVEN = breakEven(COST, { gbHourPrice: 0.005, cpuHourPrice: 0.04, currency: 'USD' }) as BreakEven;

describe('suggest', () => {
  it('keeps a model always that pays for its memory', () => {
    expect(suggest(COST, { requestsPerMinute: 12, loadSeconds: 1.3 }, EVEN)).toEqual({
      keepAlive: 'always',
      reason:
        'Keep it resident: with 12 requests a minute, more than 1.9, its 0.5 GB cost less than a load (2 s of CPU time) for each, and loads would let people wait 16 s a minute, all together.',
    });
  });

  it('unloads one that does not, after what a load is worth', () => {
    expect(suggest(COST, { requestsPerMinute: 0.2, loadSeconds: 1.3 }, EVEN)).toEqual({
      keepAlive: '32s',
      reason:
        'Unload it after 32s without a request: keeping its 0.5 GB longer costs more than a load (2 s of CPU time), and 0.2 requests a minute are fewer than the 1.9 that pay for keeping it; who comes after such a pause waits 1.3 s.',
    });
  });

  it('keeps a model always whose memory is paid for anyway', () => {
    const free = { ...EVEN, requestsPerMinute: 0, idleSeconds: null };
    expect(suggest(COST, { requestsPerMinute: 0, loadSeconds: 1.3 }, free)).toEqual({
      keepAlive: 'always',
      reason: 'Keep it resident: memory costs nothing here, and a load lets people wait 1.3 s.',
    });
  });

  it('changes its mind at the break-even rate', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 }), (percent) => {
        const requestsPerMinute = (percent / 100) * EVEN.requestsPerMinute;
        const { keepAlive } = suggest(COST, { requestsPerMinute, loadSeconds: 1 }, EVEN);
        expect(keepAlive === 'always').toBe(percent >= 100);
      }),
    );
  });
});

describe('toKeepAlive', () => {
  it.each([
    [0.01, '1s'],
    [32.4, '32s'],
    [599.4, '599s'],
    [600, '10m'],
    [35_000, '583m'],
    [36_000, '10h'],
    [1e6, '278h'],
    [1e8, '576h'],
  ])('says %d seconds as %s', (seconds, text) => {
    expect(toKeepAlive(seconds)).toBe(text);
  });

  it('is off by five percent at most, from ten seconds on', () => {
    fc.assert(
      fc.property(fc.double({ min: 10, max: 2e6, noNaN: true }), (seconds) => {
        const [, count, unit] = /^(\d+)([smh])$/.exec(toKeepAlive(seconds)) as unknown as [
          string,
          string,
          string,
        ];
        const back = Number(count) * ({ s: 1, m: 60, h: 3600 }[unit] ?? Number.NaN);
        expect(Math.abs(back / seconds - 1)).toBeLessThanOrEqual(0.051);
      }),
    );
  });
});
