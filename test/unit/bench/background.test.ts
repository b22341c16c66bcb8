import { describe, expect, it } from 'vitest';
import { countTokens, writeBatchLines } from '../../../bench/background/batch-load.js';
import { formatBackground } from '../../../bench/background/figures.js';
import { PromptWriter } from '../../../bench/load/prompts.js';
import { parseBatchLine } from '../../../src/batch/batch-line.schema.js';

describe('the batch', () => {
  it('is made of lines that the server takes', () => {
    const writer = new PromptWriter([{ text: ' king', token: 1 }]);
    const lines = writeBatchLines({ lines: 2, promptTokens: 3, newTokens: 5 }, writer);
    const [first, second, rest] = lines.split('\n');
    expect(rest).toBe('');
    for (const line of [first, second]) {
      const parsed = parseBatchLine({ kind: 'line', bytes: Buffer.from(line as string) }, 'tales');
      expect(parsed.request).toMatchObject({ maxTokens: 5, temperature: 0, ignoreEos: true });
    }
  });

  it('is counted by the lines that are complete', () => {
    const line = JSON.stringify({ usage: { completion_tokens: 64 } });
    expect(countTokens(`${line}\n${line}\n{"usage"`)).toEqual({ lines: 2, tokens: 128 });
    expect(countTokens('')).toEqual({ lines: 0, tokens: 0 });
  });

  it('fails with the first line that failed', () => {
    expect(() => countTokens('{"error":{"code":"queue_full"}}\n')).toThrow('queue_full');
  });
});

describe('the table', () => {
  const waiting = (ms: number) => [{ promptTokens: 20, ttfts: [ms, ms] }];

  it.each([
    { busy: 60, verdict: '1.50 | met ' },
    { busy: 61, verdict: '1.52 | **not met**' },
  ])('pools the rounds and compares p95: $busy ms', ({ busy, verdict }) => {
    const round = { idle: waiting(40), busy: waiting(busy), batchAlone: 400, batchBeside: 300 };
    const text = formatBackground([round, round]);
    expect(text).toContain(verdict);
    expect(text).toMatch(/\| {12}20 \| {8}4 \|/);
    expect(text).toContain('300 tok/s while the requests came, 400 tok/s by itself (75 %');
  });
});
