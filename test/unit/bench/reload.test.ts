import { describe, expect, it } from 'vitest';
import { drawBarCharts } from '../../../bench/chart/bar-chart.js';
import {
  drawFigures,
  formatFacts,
  formatFigures,
  requestsUntilAhead,
  type Measured,
} from '../../../bench/reload/figures.js';
import type { Phase, Round } from '../../../bench/reload/measure.js';

function phase(latencies: readonly number[], text = 'the same'): Phase {
  const requests = latencies.length;
  return {
    requests,
    elapsedMs: latencies.reduce((total, ms) => total + ms, 0),
    latencies,
    health: [1, 2, 30],
    cpuSeconds: requests / 10,
    peakBytes: 300 * 2 ** 20,
    texts: new Map([['prompt', text]]),
  };
}

function round(firstAnswerMs: number, ms: number, text?: string): Round {
  return { firstAnswerMs, phases: { 1: phase([ms, ms], text), 4: phase([ms, ms], text) } };
}

const MEASURED: Measured = {
  reload: [round(900, 1000), round(1100, 1000)],
  singleton: [round(1000, 200)],
  resident: [round(2500, 100, 'another')],
};

describe('the figures of bench:reload', () => {
  it('are medians beside each other, and how they compare', () => {
    const table = formatFigures(MEASURED);
    const row = (title: string) =>
      table
        .split('\n')
        .find((line) => line.includes(title))
        ?.split('|')
        .slice(2, -1)
        .map((cell) => cell.trim());
    expect(row('first answer')).toEqual(['1.00', '1.00', '2.50', '0.40x', '0.40x']);
    expect(row('1 at a time: latency p50')).toEqual(['1000', '200', '100', '10x', '2.0x']);
    expect(row('4 at a time: requests/s')).toEqual(['1.00', '5.00', '10.00', '0.10x', '0.50x']);
    expect(row('1 at a time: `GET /health` p99')?.slice(0, 3)).toEqual(['30', '30', '30']);
    expect(row('1 at a time: CPU seconds')?.slice(0, 3)).toEqual(['0.100', '0.100', '0.100']);
    expect(row('peak memory')?.slice(0, 3)).toEqual(['300', '300', '300']);
  });

  it('say from when on Resident is ahead, and whether all answered alike', () => {
    const facts = formatFacts(MEASURED);
    expect(facts).toContain('from request 3 on');
    expect(facts).toContain('not all systems answered the same text: 1 of 1');
  });

  it('are drawn', () => {
    const svg = drawFigures(MEASURED, 'T');
    expect(svg.match(/<g /g)).toHaveLength(6);
    expect(svg).not.toContain('NaN');
  });
});

describe('requestsUntilAhead', () => {
  it('is the first request by whose end all of them, start included, took less or as long', () => {
    expect(requestsUntilAhead({ firstMs: 2500, eachMs: 100 }, { firstMs: 1000, eachMs: 1000 })).toBe(3);
    expect(requestsUntilAhead({ firstMs: 900, eachMs: 100 }, { firstMs: 1000, eachMs: 1000 })).toBe(1);
    expect(requestsUntilAhead({ firstMs: 2500, eachMs: 100 }, { firstMs: 1000, eachMs: 100 })).toBe(Infinity);
  });
});

describe('drawBarCharts', () => {
  it('draws bars as long as their values, from zero, and escapes texts', () => {
    const bar = (label: string, value: number) => ({ label, value, text: `${value} ms`, color: '#123456' });
    const svg = drawBarCharts({
      title: 'a < b',
      columns: 1,
      panels: [{ title: 'P', better: 'less', bars: [bar('long', 100), bar('half', 50), bar('none', 0)] }],
    });
    const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
      Number(width),
    );
    expect(widths).toHaveLength(3);
    expect((widths[0] as number) / (widths[1] as number)).toBeCloseTo(2, 1);
    expect(widths[2]).toBe(2);
    expect(svg).toContain('a &lt; b');
    expect(svg).toContain('>50 ms<');
  });
});
