import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PromptWriter } from '../../../bench/load/prompts.js';
import { drawThroughput } from '../../../bench/throughput/chart.js';
import { parseOptions } from '../../../bench/throughput/options.js';
import { inWaves, planCells, planJobs, wantsRound } from '../../../bench/throughput/plan.js';
import { formatIntro, formatResult } from '../../../bench/throughput/report.js';
import type { CellResult, Sample, ThroughputResult } from '../../../bench/throughput/results.js';
import { compareTexts, summarizeCell } from '../../../bench/throughput/summary.js';
import { judge } from '../../../bench/throughput/targets.js';

const words = Array.from({ length: 500 }, (_, token) => ({ text: ` word${token}`, token }));
const writer = new PromptWriter(words);
const { volume } = parseOptions([]);

function sample(tokensPerSecond: number, more: Partial<Sample> = {}): Sample {
  return { tokens: 100, elapsed: (100 / tokensPerSecond) * 1000, tokensPerSecond, ...more };
}

/** A server's. */
function served(tokensPerSecond: number, ttft: number, health = 5): Sample {
  const spread = (p99: number) => ({ p50: p99 / 2, p99 });
  return sample(tokensPerSecond, {
    ttft: spread(ttft),
    interToken: spread(10),
    health: spread(health),
    probeLateness: spread(1),
    texts: ['a', 'b'],
  });
}

function cell(concurrency: number, samples: CellResult['samples']): CellResult {
  return { workload: 'short', concurrency, samples };
}

describe('options', () => {
  it('default to all of it, but peers', () => {
    const options = parseOptions([]);
    expect(options).toMatchObject({
      concurrencies: [1, 4, 8, 16, 32],
      workloads: ['short', 'long', 'mixed'],
      systems: ['naive', 'resident', 'raw'],
      rounds: 3,
      resultName: 'throughput',
      command: 'npm run bench',
    });
  });

  it('name results by what makes them incomparable', () => {
    const args = ['--model', 'tales', '--quick', '--peers'];
    expect(parseOptions(args)).toMatchObject({
      resultName: 'throughput-tales-quick',
      systems: ['naive', 'resident', 'raw', 'llama'],
      command: 'npm run bench -- --model tales --quick --peers',
    });
  });

  it.each([
    ['--workloads', 'short,tall'],
    ['--systems', 'ours'],
    ['--concurrency', '1,x'],
    ['--rounds', '0'],
    ['--model', 'none'],
  ])('that are wrong are named: %s %s', (option, value) => {
    expect(() => parseOptions([option, value])).toThrow(option);
  });
});

describe('the plan', () => {
  it('has a cell for every concurrency, and one for what arrives over time', () => {
    expect(planCells(['short', 'mixed'], [1, 8])).toEqual([
      { workload: 'short', concurrency: 1 },
      { workload: 'short', concurrency: 8 },
      { workload: 'mixed' },
    ]);
  });

  it('gives every client whole waves of requests', () => {
    for (const concurrency of [1, 3, 8, 32]) {
      const jobs = planJobs({ workload: 'short', concurrency }, 1, volume, writer);
      expect(jobs.length % concurrency).toBe(0);
      expect(jobs.length).toBeGreaterThanOrEqual(volume.fewestRequests.short);
      expect(new Set(jobs.map(({ promptTokens, tokens }) => promptTokens - tokens.length))).toEqual(
        new Set([0]),
      );
    }
  });

  it('asks the same of every system, and never the same prompt again', () => {
    const cells = planCells(['short', 'long', 'mixed'], [1, 16]);
    const plan = () =>
      cells.flatMap((one) => [1, 2].flatMap((round) => planJobs(one, round, volume, writer)));
    expect(plan()).toEqual(plan());
    const beginnings = plan().map(({ tokens }) => tokens.slice(0, 4).join(' '));
    expect(new Set(beginnings).size).toBe(beginnings.length);
  });

  it('lets the same lengths arrive at the same times in every round', () => {
    const traces = [1, 2].map((round) =>
      planJobs({ workload: 'mixed' }, round, volume, writer).map(({ at, promptTokens, newTokens }) => ({
        at,
        promptTokens,
        newTokens,
      })),
    );
    expect(traces[0]).toEqual(traces[1]);
    expect(traces[0]?.[0]?.at).toBe(0);
    const times = traces[0]?.map(({ at }) => at) ?? [];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('ends a cell after its rounds, or when another would take too long', () => {
    expect(wantsRound([], 3, 40)).toBe(true);
    expect(wantsRound([20], 3, 40)).toBe(true);
    expect(wantsRound([21], 3, 40)).toBe(false);
    expect(wantsRound([5, 5, 5], 3, 40)).toBe(false);
  });

  it('cuts waves without losing anything', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer({ min: 1, max: 9 }), (items, size) => {
        const waves = inWaves(items, size);
        expect(waves.flat()).toEqual(items);
        expect(waves.slice(0, -1).every(({ length }) => length === size)).toBe(true);
      }),
    );
  });
});

describe('the summary', () => {
  const result = cell(16, {
    naive: [served(50, 4000), served(54, 6000)],
    resident: [served(300, 500), served(290, 400), served(340, 900)],
    raw: [sample(320, { decodeTokensPerSecond: 400 })],
  });

  it('takes medians over the rounds and sets them in relation', () => {
    const [naive, resident, raw] = summarizeCell(result);
    expect(naive).toMatchObject({ system: 'naive', rounds: 2, tokensPerSecond: 52, timesNaive: 1 });
    expect(resident).toMatchObject({
      tokensPerSecond: 300,
      slowest: 290,
      fastest: 340,
      ttft: { p50: 250, p99: 500 },
      shareOfRaw: 300 / 320,
    });
    expect(raw).toMatchObject({ decodeTokensPerSecond: 400, shareOfRaw: undefined, ttft: undefined });
  });

  it('leaves out systems that did not run, and what cannot be compared without them', () => {
    const rows = summarizeCell(cell(1, { resident: [served(90, 40)] }));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ timesNaive: undefined, shareOfRaw: undefined });
  });

  it('compares the texts of the rounds that both ran', () => {
    const one = cell(1, {
      naive: [served(1, 1)],
      resident: [sample(1, { texts: ['a', 'x'] }), sample(1, { texts: ['c'] })],
    });
    expect(compareTexts([one], 'naive', 'resident')).toEqual({ same: 1, compared: 2 });
  });
});

describe('the targets', () => {
  function verdicts(cells: readonly CellResult[]): Record<string, boolean | undefined> {
    return Object.fromEntries(judge(cells.flatMap(summarizeCell)).map(({ target, met }) => [target, met]));
  }

  const fast = {
    1: { naive: [served(50, 90)], resident: [served(70, 40)], raw: [sample(72)] },
    16: {
      naive: [served(60, 4000)],
      resident: [served(330, 900)],
      raw: [sample(350)],
      llama: [sample(110, { decodeTokensPerSecond: 140 })],
    },
  };

  it('are met by what is fast enough', () => {
    const all = verdicts([cell(1, fast[1]), cell(16, fast[16])]);
    expect(Object.values(all)).toEqual([true, true, true, undefined, true, true, true]);
  });

  it('are each missed alone', () => {
    const missed = (samples: CellResult['samples'], concurrency: 1 | 16): number[] => {
      const cells = { 1: cell(1, fast[1]), 16: cell(16, fast[16]) };
      cells[concurrency] = cell(concurrency, { ...fast[concurrency], ...samples });
      return Object.values(verdicts(Object.values(cells))).flatMap((met, i) => (met === false ? [i] : []));
    };
    expect(missed({ naive: [served(67, 4000)] }, 16)).toEqual([0]);
    expect(missed({ naive: [served(55, 90)] }, 1)).toEqual([1]);
    expect(missed({ raw: [sample(80)] }, 1)).toEqual([2]);
    expect(missed({ llama: [sample(100, { decodeTokensPerSecond: 331 })] }, 16)).toEqual([4]);
    expect(missed({ resident: [served(70, 40, 25)] }, 1)).toEqual([5]);
    expect(missed({ resident: [served(330, 1000)] }, 16)).toEqual([6]);
  });
});

describe('the report', () => {
  const result: ThroughputResult = {
    measured: { date: '2026-01-01', machine: 'a machine' },
    command: 'npm run bench',
    rounds: 1,
    newTokens: 64,
    mixed: volume.mixed,
    subjects: [
      {
        name: '135m-q8',
        title: '135M shape, q8: MatMulNBits',
        kind: 'q8',
        cells: [
          cell(1, { naive: [served(50, 90)], resident: [served(60, 40)] }),
          { workload: 'mixed', samples: { naive: [served(20, 900)], resident: [served(30, 100)] } },
        ],
        memory: { naive: 5e8, resident: 6e8 },
        absent: { raw: 'not built yet' },
        machineBusyIdle: 0.04,
      },
    ],
  };

  it('says what was met, what was not and what was not measured', () => {
    const text = formatResult(result);
    expect(text).toContain('1.2x: **not met**');
    expect(text).toContain('5.0 ms: met');
    expect(text).toContain('not measured');
    expect(text).toContain('raw ceiling is not in the comparison: not built yet.');
    expect(text).toContain('naive 500 MB, Resident 600 MB');
    expect(text).toContain('same text: 4 of 4 requests');
    expect(formatIntro(result)).toContain('for 1 round (');
  });

  it('is the same when it comes from its file', () => {
    const read = JSON.parse(JSON.stringify(result)) as ThroughputResult;
    expect(formatResult(read)).toBe(formatResult(result));
  });

  it('draws the workloads that were measured', () => {
    expect(drawThroughput(result, 'short')).toContain('135M shape, q8: tok/s');
    expect(drawThroughput(result, 'long')).toBeUndefined();
  });
});
