import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelProvider, collect, type ModelRequest } from '../../src/index.js';
import { get, post, readSse, startApp, testConfig, type TestApp } from '../support/app.js';
import { TALES } from '../support/models.js';
import { until } from '../support/server.js';

let server: TestApp;
let models: ModelProvider;
beforeAll(async () => {
  server = await startApp(testConfig([{ ...TALES, maxRows: 4 }]));
  models = server.app.get(ModelProvider);
});
afterAll(() => server.close());

const send = (body: object, init: RequestInit = {}): Promise<Response> =>
  fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tales', temperature: 0, ...body }),
    ...init,
  });
const isIdle = async (): Promise<boolean> => models.describe().active === 0;

/** A million characters: far beyond the context, which shows when they are tokens. */
const MEGABYTE = 'The old king said nothing. '.repeat(2 ** 20 / 27);
/** More than any machine has done when the timeout comes. */
const ENDLESS = { prompt: 'Once', max_tokens: 1000, n: 64, ignore_eos: true };

describe('a timeout', () => {
  it('that passes is a 504, and the work is freed', async () => {
    const { status, body } = await post(`${server.url}/v1/completions`, {
      model: 'tales',
      ...ENDLESS,
      timeout: 0.3,
    });
    expect({ status, body }).toMatchObject({
      status: 504,
      body: { error: { code: 'deadline_exceeded', param: 'timeout' } },
    });
    await until(isIdle);
    // in four rows: the others would be in its way for minutes
    expect((await send({ prompt: 'Once', max_tokens: 5 })).status).toBe(200);
  });

  it('that passes in a stream is its last event', async () => {
    const frames = await readSse(await send({ ...ENDLESS, stream: true, timeout: 3 }));
    expect(frames.length).toBeGreaterThan(1);
    expect(JSON.parse(frames.at(-1) as string)).toMatchObject({ error: { code: 'deadline_exceeded' } });
    expect(frames).not.toContain('[DONE]');
    await until(isIdle);
    expect((await send({ prompt: 'Once', max_tokens: 5 })).status).toBe(200);
  });

  it('that does not pass changes nothing', async () => {
    const answer = await post(`${server.url}/v1/completions`, {
      model: 'tales',
      prompt: 'Once',
      max_tokens: 5,
      timeout: 60,
    });
    expect(answer).toMatchObject({ status: 200, body: { usage: { completion_tokens: 5 } } });
  });
});

describe('a prompt of a megabyte', () => {
  it('holds up neither a stream nor other answers', async () => {
    const leaving = new AbortController();
    let pieces = 0;
    const events = models.generate(
      { prompt: { kind: 'text', text: 'Once' }, maxTokens: 1000, ignoreEos: true },
      { signal: leaving.signal },
    );
    const streaming = (async () => {
      for await (const { type } of events) if (type === 'token') pieces++;
    })().catch(() => undefined);
    await until(async () => pieces > 0);

    const before = pieces;
    let probes = 0;
    const answered = new AbortController();
    const refusing = send({ prompt: MEGABYTE }).finally(() => answered.abort());
    while (!answered.signal.aborted) {
      expect((await get(`${server.url}/health/live`)).status).toBe(200);
      probes++;
    }
    expect(pieces).toBeGreaterThan(before);
    expect(probes).toBeGreaterThan(1);
    expect(await (await refusing).json()).toMatchObject({
      error: { code: 'context_length_exceeded', param: 'prompt' },
    });
    leaving.abort();
    await streaming;
  });

  it('lets short prompts overtake it', async () => {
    const order: string[] = [];
    const long = send({ prompt: MEGABYTE }).then(({ status }) => order.push(`long ${status}`));
    await until(async () => models.describe().active === 1);
    // one that is tokenized in the engine's own thread, one that goes to another
    for (const prompt of ['Once', 'The old king said nothing. '.repeat(40)])
      await send({ prompt, max_tokens: 1 }).then(({ status }) => order.push(`short ${status}`));
    await long;
    expect(order).toEqual(['short 200', 'short 200', 'long 400']);
  });

  it('that nobody waits for any more is dropped', async () => {
    const client = new AbortController();
    const left = [1, 2, 3].map(() =>
      send({ prompt: MEGABYTE }, { signal: client.signal }).catch((error: Error) => error.name),
    );
    await until(async () => models.describe().active === 3);
    client.abort();
    expect(await Promise.all(left)).toEqual(['AbortError', 'AbortError', 'AbortError']);
    await until(isIdle);
    expect((await send({ prompt: 'Once', max_tokens: 5 })).status).toBe(200);
    expect((await send({ prompt: MEGABYTE })).status).toBe(400);
  });
});

describe('who comes first', () => {
  const request = (text: string, maxTokens: number): ModelRequest => ({
    prompt: { kind: 'text', text },
    maxTokens,
    temperature: 0,
    ignoreEos: true,
  });
  const LINES = 40;

  it('is whoever waits for the answer: a batch goes on behind, and comes to its end', async () => {
    let done = 0;
    const batch = Array.from({ length: LINES }, (_, i) =>
      models.complete(request(`Line ${i}: the fox`, 60), { priority: 'background' }).finally(() => done++),
    );
    await until(async () => done > 0);
    for (let i = 0; i < 5; i++) {
      const { usage } = await models.complete(request(`Question ${i}`, 10));
      expect(usage.completionTokens).toBe(10);
    }
    expect(done).toBeLessThan(LINES);
    const lines = await Promise.all(batch);
    expect(lines.map(({ usage }) => usage.completionTokens)).toEqual(lines.map(() => 60));
    // parked or not, the text is its own
    expect((await models.complete(request('Line 7: the fox', 60))).text).toBe(lines[7]?.text);
  });

  it('is not for ever: background work goes on however much interactive work waits', async () => {
    const ending = new AbortController();
    const people = Array.from({ length: 8 }, async (_, i) => {
      while (!ending.signal.aborted) await models.complete(request(`Person ${i}`, 20));
    });
    await until(async () => models.describe().active === 8);
    const line = await models.complete(request('A line', 30), { priority: 'background' });
    expect(line.usage.completionTokens).toBe(30);
    ending.abort();
    await Promise.all(people);
  });

  it('is not who sends most: clients share the rows', async () => {
    let done = 0;
    const many = Array.from({ length: 20 }, (_, i) =>
      collect(models.generate(request(`Many ${i}`, 40), { client: 'a' })).finally(() => done++),
    );
    await until(async () => done > 0);
    await collect(models.generate(request('One', 40), { client: 'b' }));
    expect(done).toBeLessThan(20);
    await Promise.all(many);
  });
});
