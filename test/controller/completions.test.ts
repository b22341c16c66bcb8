import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EngineDeadError, OpenAiModule, UnavailableError } from '../../src/index.js';
import { post, readSse } from '../support/app.js';
import { failingAfter, INSTANCE, saying, startOverFake, type FakeApp } from '../support/fake-models.js';
import { until } from '../support/server.js';

let fake: FakeApp;
beforeAll(async () => {
  fake = await startOverFake(OpenAiModule);
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.requests.length = 0;
  fake.models.signals.length = 0;
  fake.models.priorities.length = 0;
  fake.models.script = () => saying('Hello', '', ' world');
});

const complete = (body: unknown) => post(`${fake.url}/v1/completions`, body);
const MINIMAL = { model: 'tales', prompt: 'Once' };

describe('POST /v1/completions', () => {
  it("answers in OpenAI's format, with the instance in a header", async () => {
    const { status, headers, body } = await complete(MINIMAL);
    expect(status).toBe(200);
    expect(headers.get('x-resident-instance')).toBe(INSTANCE);
    expect(body).toEqual({
      id: expect.stringMatching(/^cmpl-[0-9a-f-]{36}$/) as string,
      object: 'text_completion',
      created: expect.any(Number) as number,
      model: 'tales',
      choices: [{ index: 0, text: 'Hello world', logprobs: null, finish_reason: 'length' }],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 3,
        total_tokens: 6,
        prompt_tokens_details: { cached_tokens: 2 },
      },
    });
  });

  it('hands the request on in full, at interactive priority', async () => {
    await complete({
      ...MINIMAL,
      max_tokens: 7,
      temperature: 0.5,
      top_p: 0.9,
      seed: 42,
      stop: 'x',
      user: 'me',
    });
    expect(fake.models.requests).toEqual([
      {
        model: 'tales',
        prompt: { kind: 'text', text: 'Once' },
        maxTokens: 7,
        temperature: 0.5,
        topP: 0.9,
        seed: 42,
        stop: ['x'],
      },
    ]);
    expect(fake.models.priorities).toEqual(['interactive']);
  });

  it("asks for OpenAI's 16 tokens when max_tokens is left out or null", async () => {
    await complete(MINIMAL);
    await complete({ ...MINIMAL, max_tokens: null });
    expect(fake.models.requests.map(({ maxTokens }) => maxTokens)).toEqual([16, 16]);
  });

  it('runs several prompts and answers in their order', async () => {
    fake.models.script = ({ prompt }) => saying(prompt.kind === 'text' ? prompt.text : prompt.kind);
    const { body } = await complete({ model: 'tales', prompt: ['a', 'b', 'c'] });
    expect(body['choices']).toMatchObject([
      { index: 0, text: 'a' },
      { index: 1, text: 'b' },
      { index: 2, text: 'c' },
    ]);
    expect(body['usage']).toEqual({
      prompt_tokens: 9,
      completion_tokens: 3,
      total_tokens: 12,
      prompt_tokens_details: { cached_tokens: 6 },
    });
  });

  it.each([
    [[1, 2], [[1, 2]]],
    [
      [[1], [2, 3]],
      [[1], [2, 3]],
    ],
  ])('takes token ids %j', async (prompt, expected) => {
    await complete({ model: 'tales', prompt });
    expect(fake.models.requests.map((request) => request.prompt)).toEqual(
      expected.map((tokens) => ({ kind: 'tokens', tokens })),
    );
  });

  it('accepts fields that are not supported when they say what they say by default', async () => {
    const { status } = await complete({
      ...MINIMAL,
      n: 1,
      best_of: 1,
      echo: false,
      presence_penalty: 0,
      frequency_penalty: 0,
      logprobs: null,
    });
    expect(status).toBe(200);
  });
});

describe('choices, log-probabilities and echo', () => {
  const LOGPROBS = [
    { token: 7, text: 'Hello', logprob: -0.5, top: [{ token: 7, text: 'Hello', logprob: -0.5 }] },
    { token: 9, text: ' world', logprob: -1.5, top: [{ token: 8, text: ' earth', logprob: -1 }] },
  ];
  const FORMATTED = {
    tokens: ['Hello', ' world'],
    token_logprobs: [-0.5, -1.5],
    top_logprobs: [{ Hello: -0.5 }, { ' earth': -1 }],
    text_offset: [0, 5],
  };

  it('n choices per prompt have seeds of their own, and their prompt counts once', async () => {
    fake.models.script = ({ prompt, seed }) => saying(`${prompt.kind === 'text' ? prompt.text : ''}${seed}`);
    const { body } = await complete({ model: 'tales', prompt: ['a', 'b'], n: 2, seed: 5 });
    expect((body['choices'] as { text: string }[]).map(({ text }) => text)).toEqual(['a5', 'a6', 'b5', 'b6']);
    expect(body['usage']).toEqual({
      prompt_tokens: 6,
      completion_tokens: 4,
      total_tokens: 10,
      prompt_tokens_details: { cached_tokens: 4 },
    });
  });

  it('n choices at the end of the safe integers have seeds of their own, too', async () => {
    await complete({ ...MINIMAL, n: 4, seed: Number.MAX_SAFE_INTEGER - 1 });
    expect(new Set(fake.models.requests.map(({ seed }) => seed)).size).toBe(4);
  });

  it('hands the sampling fields on', async () => {
    await complete({
      ...MINIMAL,
      top_k: 40,
      min_p: 0.1,
      repetition_penalty: 1.1,
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
      logit_bias: { 5: -100 },
      stop_token_ids: [3],
      min_tokens: 2,
      ignore_eos: true,
    });
    expect(fake.models.requests[0]).toMatchObject({
      topK: 40,
      minP: 0.1,
      repetitionPenalty: 1.1,
      presencePenalty: 0.5,
      frequencyPenalty: -0.5,
      logitBias: new Map([[5, -100]]),
      stopTokenIds: [3],
      minTokens: 2,
      ignoreEos: true,
    });
  });

  it("are told in OpenAI's lists", async () => {
    fake.models.script = async function* () {
      yield { type: 'start', instanceId: INSTANCE, promptTokens: 3 };
      const usage = { promptTokens: 3, cachedTokens: 0, completionTokens: 2 };
      yield { type: 'finish', finishReason: 'length', text: 'Hello world', usage, logprobs: LOGPROBS };
    };
    const { body } = await complete({ ...MINIMAL, logprobs: 1 });
    expect(fake.models.requests[0]?.logprobs).toBe(1);
    expect(body['choices']).toMatchObject([{ text: 'Hello world', logprobs: FORMATTED }]);
  });

  it('come with each chunk of a stream', async () => {
    fake.models.script = async function* () {
      yield { type: 'start', instanceId: INSTANCE, promptTokens: 3 };
      for (const logprobs of LOGPROBS)
        yield { type: 'token', token: logprobs.token, text: logprobs.text, logprobs };
      yield {
        type: 'finish',
        finishReason: 'length',
        text: '',
        usage: { promptTokens: 3, cachedTokens: 0, completionTokens: 2 },
      };
    };
    const response = await fetch(`${fake.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...MINIMAL, logprobs: 1, stream: true }),
    });
    const frames = (await readSse(response)).slice(0, 2);
    const chunks = frames.map((frame) => JSON.parse(frame) as { choices: [{ logprobs: typeof FORMATTED }] });
    for (const [i, chunk] of chunks.entries()) {
      expect(chunk.choices[0].logprobs).toEqual(
        Object.fromEntries(Object.entries(FORMATTED).map(([key, list]) => [key, [list[i]]])),
      );
    }
  });

  it('echo puts the prompt before the text, streamed or not', async () => {
    fake.models.script = async function* ({ echo }) {
      yield { type: 'start', instanceId: INSTANCE, promptTokens: 3, promptText: echo ? 'Once' : undefined };
      yield { type: 'token', token: 1, text: ' upon' };
      yield {
        type: 'finish',
        finishReason: 'length',
        text: '',
        usage: { promptTokens: 3, cachedTokens: 0, completionTokens: 1 },
      };
    };
    const body = { ...MINIMAL, echo: true };
    expect((await complete(body)).body['choices']).toMatchObject([{ text: 'Once upon' }]);
    const response = await fetch(`${fake.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, stream: true }),
    });
    const texts = (await readSse(response))
      .slice(0, -1)
      .map((frame) => (JSON.parse(frame) as { choices: [{ text: string }] }).choices[0].text);
    expect(texts).toEqual(['Once', ' upon', '']);
  });
});

describe('POST /v1/completions, streamed', () => {
  const stream = (body: object) =>
    fetch(`${fake.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...MINIMAL, stream: true, ...body }),
    });

  it('sends a chunk per piece of text, the finish reason, and [DONE]', async () => {
    const response = await stream({});
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(response.headers.get('x-resident-instance')).toBe(INSTANCE);
    const frames = await readSse(response);
    expect(frames.pop()).toBe('[DONE]');
    const chunks = frames.map((frame) => JSON.parse(frame) as Record<string, unknown>);
    expect(chunks.map(({ choices }) => choices)).toEqual([
      [{ index: 0, text: 'Hello', logprobs: null, finish_reason: null }],
      [{ index: 0, text: ' world', logprobs: null, finish_reason: null }],
      [{ index: 0, text: '', logprobs: null, finish_reason: 'length' }],
    ]);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  it('ends with the usage in a chunk without choices if that was asked', async () => {
    const frames = await readSse(await stream({ stream_options: { include_usage: true } }));
    const chunks = frames.slice(0, -1).map((frame) => JSON.parse(frame) as Record<string, unknown>);
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 3,
        total_tokens: 6,
        prompt_tokens_details: { cached_tokens: 2 },
      },
    });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it('answers a failure before the first token with its HTTP status', async () => {
    fake.models.script = () =>
      failingAfter(new UnavailableError('engine_restarting', 'The engine is restarting.'));
    const response = await stream({});
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await response.json()).toMatchObject({
      error: { code: 'engine_restarting', type: 'server_error' },
    });
  });

  it('tells a failure after the first token in the stream, and does not say [DONE]', async () => {
    fake.models.script = () => failingAfter(new EngineDeadError('The engine died.'), 'Hello');
    const frames = await readSse(await stream({}));
    expect(JSON.parse(frames.at(-1) ?? '')).toEqual({
      error: { message: 'The engine died.', type: 'server_error', param: null, code: 'engine_restarted' },
    });
    expect(frames).toHaveLength(2);
  });

  it('does not tell clients what is not meant for them', async () => {
    fake.models.script = () => failingAfter(new Error('password=hunter2'), 'Hello');
    const frames = await readSse(await stream({}));
    expect(JSON.parse(frames.at(-1) ?? '')).toMatchObject({ error: { code: 'internal_error' } });
    expect(frames.join()).not.toContain('hunter2');
  });
});

describe('a client that goes away', () => {
  it.each([true, false])('aborts the generation (stream: %s)', async (stream) => {
    let release: () => void = () => undefined;
    fake.models.script = async function* () {
      yield* [
        { type: 'start', instanceId: INSTANCE, promptTokens: 1 } as const,
        { type: 'token', token: 1, text: 'Hello' } as const,
      ];
      await new Promise<void>((resolve) => (release = resolve));
    };
    const client = new AbortController();
    const answer = fetch(`${fake.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...MINIMAL, stream }),
      signal: client.signal,
    });
    answer.catch(() => undefined); // it is aborted below
    if (stream) await answer;
    await until(async () => fake.models.signals.length === 1);
    expect(fake.models.signals[0]?.aborted).toBe(false);
    client.abort();
    await until(async () => fake.models.signals[0]?.aborted === true);
    await answer.catch(() => undefined);
    release();
  });

  it('a complete answer aborts nothing', async () => {
    await complete(MINIMAL);
    expect(fake.models.signals[0]?.aborted).toBe(false);
  });
});
