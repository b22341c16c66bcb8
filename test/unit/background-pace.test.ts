import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BackgroundPace } from '../../src/engine/generation/background-pace.js';
import { WHOLE_SHARE } from '../../src/engine/scheduling/scheduled.js';

const PASS_MS = 20;

function paceAt(maxRows = 32) {
  let time = 0;
  const pace = new BackgroundPace({ maxRows, passMs: PASS_MS, now: () => time });
  const rows = (): number => {
    pace.noteInteractive();
    return pace.share().rows;
  };
  return { pace, rows, pass: (ms: number) => (time += ms) };
}

describe('BackgroundPace', () => {
  it('leaves background work everything until somebody comes, and again ten seconds after the last', () => {
    const { pace, pass } = paceAt();
    expect(pace.share()).toBe(WHOLE_SHARE);
    pace.noteInteractive();
    expect(pace.share()).toEqual({ rows: 8, promptTokens: 8 });
    pass(9000);
    pace.noteInteractive();
    pass(10_000);
    expect(pace.share().rows).toBe(8);
    pass(1);
    expect(pace.share()).toBe(WHOLE_SHARE);
  });

  it('comes to rows whose passes last no longer than they may, and no fewer than need be', () => {
    const machines = fc.record({
      base: fc.double({ min: 0, max: 15, noNaN: true }),
      perRow: fc.double({ min: 0.05, max: 4, noNaN: true }),
      maxRows: fc.integer({ min: 2, max: 64 }),
    });
    fc.assert(
      fc.property(machines, ({ base, perRow, maxRows }) => {
        const { pace, rows } = paceAt(maxRows);
        const ms = (count: number): number => base + perRow * count;
        for (let i = 0; i < 100; i++) pace.observe(rows(), ms(rows()));
        const found = rows();
        expect(found).toBeLessThanOrEqual(maxRows);
        expect(found === 1 || ms(found) <= PASS_MS).toBe(true);
        // twice as many would not have ample time
        expect(2 * found > maxRows || ms(2 * found) > 0.5 * PASS_MS).toBe(true);
      }),
    );
  });

  it('learns from passes over more rows than it would allow, and from fewer', () => {
    const { pace, rows } = paceAt();
    pace.observe(32, 10);
    expect(rows()).toBe(32);
    pace.observe(20, 40);
    expect(rows()).toBe(10);
    pace.observe(4, 5);
    expect(rows()).toBe(10);
  });

  it('halves the rows at most for one slow pass, and never takes the last', () => {
    const { pace, rows } = paceAt();
    pace.observe(8, 5000);
    expect(rows()).toBe(4);
    for (let i = 0; i < 5; i++) pace.observe(rows(), 5000);
    expect(rows()).toBe(1);
  });
});
