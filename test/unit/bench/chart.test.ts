import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawLineCharts, type Panel } from '../../../bench/chart/line-chart.js';
import { linearScale, logScale, markedLogScale } from '../../../bench/chart/scale.js';

const positive = fc.array(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 });

describe.each([
  { name: 'linearScale', scaleOf: (values: readonly number[]) => linearScale(values) },
  { name: 'logScale', scaleOf: logScale },
])('$name', ({ scaleOf }) => {
  it('has room for every value, larger ones further along', () => {
    fc.assert(
      fc.property(positive, (values) => {
        const scale = scaleOf(values);
        const positions = values.toSorted((a, b) => a - b).map((value) => scale.position(value));
        expect(Math.min(...positions)).toBeGreaterThanOrEqual(-1e-9);
        expect(Math.max(...positions)).toBeLessThanOrEqual(1 + 1e-9);
        expect(positions).toEqual(positions.toSorted((a, b) => a - b));
      }),
    );
  });

  it('marks values along the axis, few enough to read', () => {
    fc.assert(
      fc.property(positive, (values) => {
        const scale = scaleOf(values);
        const { ticks } = scale;
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThanOrEqual(12);
        for (const tick of ticks) {
          expect(scale.position(tick)).toBeGreaterThanOrEqual(-1e-9);
          expect(scale.position(tick)).toBeLessThanOrEqual(1 + 1e-9);
        }
      }),
    );
  });
});

describe('scales', () => {
  it('take round numbers', () => {
    expect(linearScale([0, 412]).ticks).toEqual([0, 100, 200, 300, 400, 500]);
    expect(logScale([44, 2900]).ticks).toEqual([20, 50, 100, 200, 500, 1000, 2000, 5000]);
    expect(logScale([3, 40_000]).ticks).toEqual([10, 100, 1000, 10_000]);
  });

  it('mark what they are told to, doublings apart', () => {
    const scale = markedLogScale([1, 4, 8, 16]);
    expect(scale.ticks).toEqual([1, 4, 8, 16]);
    expect(scale.ticks.map((tick) => scale.position(tick))).toEqual(
      [0, 0.5, 0.75, 1].map((at) => expect.closeTo(at)),
    );
    expect(markedLogScale([8]).position(8)).toBe(0.5);
  });
});

describe('drawLineCharts', () => {
  const panel: Panel = {
    title: 'a < b & c',
    xLabel: 'x',
    yLabel: 'y',
    x: linearScale([0, 10]),
    y: linearScale([0, 10]),
    series: [
      {
        label: 'ours',
        look: { color: '#123456', marker: 'circle' },
        points: [
          { x: 0, y: 0 },
          { x: 10, y: 10 },
        ],
      },
    ],
  };

  it('escapes texts and puts larger values higher', () => {
    const svg = drawLineCharts({ title: 'T', columns: 1, panels: [panel] });
    expect(svg).toContain('a &lt; b &amp; c');
    const [low, high] = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)]
      .slice(1) // the legend's
      .map(([, x, y]) => ({ x: Number(x), y: Number(y) }));
    expect(high?.x).toBeGreaterThan(low?.x as number);
    expect(high?.y).toBeLessThan(low?.y as number);
  });

  it('opens and closes every element, and names each series once', () => {
    const svg = drawLineCharts({ title: 'T', columns: 2, panels: [panel, panel, panel] });
    expect(svg.match(/<g /g)).toHaveLength(3);
    expect(svg.match(/<\/g>/g)).toHaveLength(3);
    expect(svg.match(/>ours</g)).toHaveLength(1);
    expect(svg).not.toContain('NaN');
  });
});
