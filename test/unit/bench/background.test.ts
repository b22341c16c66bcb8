import { describe, expect, it } from 'vitest';
import { writeBatchLines } from '../../../bench/background/batch-load.js';
import { formatBackground } from '../../../bench/background/figures.js';
import { PromptWriter } from '../../../bench/load/prompts.js';
import { parseLine } from '../../../src/batch/lines/parse-line.js';
import { completionRequestSchema } from '../../../src/openai/completions.schema.js';

const ENDPOINT = { format: 'openai', endpoint: '/v1/completions', maxLineBytes: 1000 } as const;

describe('the batch', () => {
  const writer = new PromptWriter([{ text: ' king', token: 1 }]);
  const bodies = (lines: number, newTokens: number) =>
    writeBatchLines({ lines, promptTokens: 3, newTokens }, writer, 'tales')
      .trimEnd()
      .split('\n')
      .map((line) => parseLine({ kind: 'line', bytes: Buffer.from(line), length: line.length }, ENDPOINT))
      .map((line) => completionRequestSchema.parse(line.ok ? line.body : undefined));

  it('is made of lines that the server takes', () => {
    expect(bodies(2, 1)).toEqual([
      { model: 'tales', prompt: ' king king king', max_tokens: 1, temperature: 0, ignore_eos: true },
      { model: 'tales', prompt: ' king king king', max_tokens: 1, temperature: 0, ignore_eos: true },
    ]);
  });

  it('has answers of different lengths, of the length that was asked for on average', () => {
    const lengths = bodies(2000, 64).map(({ max_tokens }) => max_tokens as number);
    expect(Math.min(...lengths)).toBe(32);
    expect(Math.max(...lengths)).toBe(96);
    const mean = lengths.reduce((a, b) => a + b) / lengths.length;
    expect(Math.abs(mean - 64)).toBeLessThan(2);
  });
});

describe('the table', () => {
  const waiting = (ms: number) => [{ promptTokens: 20, ttfts: [ms, ms] }];

  const round = {
    idle: waiting(40),
    light: waiting(50),
    busy: waiting(60),
    batchAlone: 400,
    batchBesideFew: 290,
    batchBeside: 200,
  };

  it.each([
    { busy: 60, verdict: '1.50 | met ' },
    { busy: 61, verdict: '1.52 | **not met**' },
  ])('pools the rounds and compares p95: $busy ms', ({ busy, verdict }) => {
    const rounds = [round, round].map((one) => ({ ...one, busy: waiting(busy) }));
    const text = formatBackground(rounds);
    expect(text).toContain(verdict);
    expect(text).toMatch(/\| {12}20 \| {2}many: 4 \|/);
    expect(text).toMatch(/\| {12}20 \| {3}few: 4 \|.* 1\.25 \| met/);
  });

  it.each([
    { few: 290, share: '(73 %; at least 70 %: met)' },
    { few: 270, share: '(68 %; at least 70 %: **not met**)' },
  ])('tells what the batch keeps: $few of 400', ({ few, share }) => {
    const text = formatBackground([{ ...round, batchBesideFew: few }]);
    expect(text).toContain(`made 400 tok/s by itself; beside few requests ${few} ${share}`);
    expect(text).toContain('beside many 200 (50 %; medians)');
  });
});
