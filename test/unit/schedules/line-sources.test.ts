import { Injectable, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from 'vitest';
import { encodeLines } from '../../../src/batch/schedules/encode-lines.js';
import { LineSources } from '../../../src/batch/schedules/line-sources.js';
import { LineSourceProvider, type LineSource } from '../../../src/index.js';
import { discoveryOf } from './server.js';

async function encoded(
  lines: ReturnType<LineSource['lines']>,
  signal = new AbortController().signal,
): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of encodeLines(lines, '/v1/completions', signal)) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe('sources of lines', () => {
  it('are the decorated providers of the application, with what they inject', async () => {
    @Injectable()
    class Crm {
      readonly notes = ['a', 'b'];
    }
    @LineSourceProvider('crm')
    class CrmLines implements LineSource {
      constructor(private readonly crm: Crm) {}
      lines() {
        return this.crm.notes;
      }
    }
    @Module({ providers: [Crm, CrmLines] })
    class Application {}
    const app = await Test.createTestingModule({
      imports: [Application, DiscoveryModule],
      providers: [LineSources],
    }).compile();
    const source = app.get(LineSources).get('crm');
    expect(source).toBe(app.get(CrmLines));
    expect([...(source.lines(new AbortController().signal) as Iterable<string>)]).toEqual(['a', 'b']);
    expect(() => app.get(LineSources).get('erp')).toThrow("There is no line source 'erp': there are crm.");
  });

  it('that there are none of is said', () => {
    expect(() => new LineSources(discoveryOf({})).get('crm')).toThrow('the application registers none');
  });

  it('need a method', () => {
    expect(() => new LineSources(discoveryOf({ crm: {} })).get('crm')).toThrow('a class that has lines()');
  });
});

describe('the lines of a source', () => {
  it('are strings as they are, and objects with what they leave out', async () => {
    const text = await encoded([
      '{"custom_id":"a"}',
      { custom_id: 'b', body: { prompt: 'x\ny' } },
      { url: '/v1/chat/completions' },
    ]);
    expect(text.split('\n').map((line) => (line === '' ? null : (JSON.parse(line) as unknown)))).toEqual([
      { custom_id: 'a' },
      { method: 'POST', url: '/v1/completions', custom_id: 'b', body: { prompt: 'x\ny' } },
      { method: 'POST', url: '/v1/chat/completions' },
      null,
    ]);
  });

  it('come in large parts, however many there are', async () => {
    let parts = 0;
    const lines = Array.from({ length: 50_000 }, (_, i) => `${i}`);
    let text = '';
    for await (const part of encodeLines(lines, '', new AbortController().signal)) {
      parts++;
      text += part.toString();
    }
    expect(text).toBe(`${lines.join('\n')}\n`);
    expect(parts).toBeLessThan(10);
  });

  it('that are none are refused with their number', async () => {
    await expect(encoded(['a', 'b\nc'])).rejects.toThrow('Line 2 of the source holds a line end');
    await expect(encoded(['a', 'b', 5 as unknown as string])).rejects.toThrow(
      'Line 3 of the source is neither a string nor an object',
    );
    await expect(encoded([['a']])).rejects.toThrow('Line 1 of the source is neither');
  });

  it('end when the run is given up, and the source is told', async () => {
    let returned = false;
    const waiting = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => undefined),
        async return() {
          returned = true;
          return { done: true as const, value: undefined };
        },
      }),
    };
    const ending = new AbortController();
    const reading = encoded(waiting, ending.signal);
    setTimeout(() => ending.abort(), 10);
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' });
    expect(returned).toBe(true);
  });
});
