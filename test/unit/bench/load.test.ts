import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { summarizeLoad } from '../../../bench/load/load-figures.js';
import { runClosedLoop, runOpenLoop } from '../../../bench/load/run-load.js';
import type { StreamedCompletion } from '../../../bench/load/stream-completion.js';
import { EventSplitter } from '../../../bench/support/sse.js';

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function frame(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

const usage = frame({ choices: [], usage: { prompt_tokens: 2, completion_tokens: 2 } });
const answer = [
  frame({ choices: [{ text: 'Once', finish_reason: null }] }),
  frame({ choices: [{ text: ' upon', finish_reason: null }], usage: null }),
  frame({ choices: [{ text: '', finish_reason: 'length' }] }),
  usage,
  'data: [DONE]\n\n',
].join('');

function job(prompt: string) {
  return { prompt, promptTokens: 2, newTokens: 2 };
}

describe('EventSplitter', () => {
  it('gives the same events however the text is cut', () => {
    const text = 'data: {"a":1}\n\n: comment\n\ndata: two\n\ndata: unfinished';
    for (let cut = 0; cut <= text.length; cut++) {
      const splitter = new EventSplitter();
      expect([...splitter.push(text.slice(0, cut)), ...splitter.push(text.slice(cut))]).toEqual([
        '{"a":1}',
        'two',
      ]);
    }
  });
});

describe('runClosedLoop', () => {
  it('keeps as many requests under way as there are clients, and answers in order', async () => {
    let waiting: (() => void)[] = [];
    let most = 0;
    const url = await serve((_request, response) => {
      waiting.push(() => response.end(answer));
      most = Math.max(most, waiting.length);
      if (waiting.length < 3) return; // until all clients wait
      const all = waiting;
      waiting = [];
      for (const end of all) end();
    });
    const jobs = Array.from({ length: 9 }, (_, i) => job(`prompt ${i}`));
    const completions = await runClosedLoop({ url, model: 'm' }, jobs, 3);
    expect(most).toBe(3);
    expect(completions).toHaveLength(9);
    expect(completions[8]).toMatchObject({ text: 'Once upon', completionTokens: 2 });
    expect(completions[0]?.tokenTimes).toHaveLength(2);
  });

  it.each([
    { title: 'is refused', body: '{}', status: 429, message: /answered 429/ },
    { title: 'fails on its way', body: frame({ error: { code: 'x' } }), status: 200, message: /sent/ },
    { title: 'ends early', body: usage, status: 200, message: /before it was complete/ },
    {
      title: 'has other tokens than asked for',
      body: answer.replace('"completion_tokens":2', '"completion_tokens":1'),
      status: 200,
      message: /made 1, not 2 and 2/,
    },
  ])('does not count an answer that $title', async ({ body, status, message }) => {
    const url = await serve((_request, response) => response.writeHead(status).end(body));
    await expect(runClosedLoop({ url, model: 'm' }, [job('p')], 1)).rejects.toThrow(message);
  });
});

describe('runOpenLoop', () => {
  it('sends what is due whether or not anything was answered, and times it from then', async () => {
    const waiting: (() => void)[] = [];
    const url = await serve((_request, response) => {
      waiting.push(() => response.end(answer));
      // nothing is answered before everything was sent
      if (waiting.length === 3) for (const end of waiting) end();
    });
    const jobs = [0, 5, 10].map((at) => ({ ...job(`at ${at}`), at }));
    const completions = await runOpenLoop({ url, model: 'm' }, jobs);
    const [first, second, third] = completions.map(({ start }) => start) as [number, number, number];
    expect([second - first, third - first]).toEqual([expect.closeTo(5), expect.closeTo(10)]);
  });
});

describe('summarizeLoad', () => {
  const completion = (start: number, tokenTimes: number[], end: number): StreamedCompletion => ({
    start,
    tokenTimes,
    end,
    text: '',
    completionTokens: tokenTimes.length,
  });

  it('counts from the first request to the end of the last answer', () => {
    const figures = summarizeLoad([
      completion(1000, [1100, 1150, 1250], 1260),
      completion(1200, [1500, 1550], 2000),
    ]);
    expect(figures).toEqual({
      tokens: 5,
      elapsed: 1000,
      tokensPerSecond: 5,
      ttft: { p50: 200, p99: 300 },
      interToken: { p50: 50, p99: 100 },
    });
  });

  it('takes the end for the first token of an answer without text', () => {
    expect(summarizeLoad([completion(0, [], 70)]).ttft.p50).toBe(70);
  });
});
