import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embed, embedMany, generateText, streamText } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { until } from '../support/server.js';

/** Vercel's AI SDK with its provider for servers like this one, unmodified. */
let server: TestApp;
let encoders: FakeRest;
beforeAll(async () => {
  [server, encoders] = await Promise.all([startApp(), startRestOverFake()]);
});
afterAll(() => Promise.all([server.close(), encoders.app.close()]));

const provider = (url: string, includeUsage = true) =>
  createOpenAICompatible({ name: 'resident', baseURL: `${url}/v1`, includeUsage });
const tales = () => provider(server.url).chatModel('tales');
const PROMPT = 'The old king said';
const GREEDY = { prompt: PROMPT, temperature: 0, maxOutputTokens: 12, maxRetries: 0 } as const;

describe('chat', () => {
  it('generateText', async () => {
    const { text, finishReason, usage } = await generateText({ ...GREEDY, model: tales() });
    expect(text.length).toBeGreaterThan(0);
    expect(finishReason).toBe('length');
    expect(usage).toMatchObject({ outputTokens: 12 });
  });

  it('streamText: the same text, piece by piece, with its usage', async () => {
    const whole = await generateText({ ...GREEDY, model: tales(), system: 'Tell stories.' });
    const result = streamText({ ...GREEDY, model: tales(), system: 'Tell stories.' });
    const pieces: string[] = [];
    for await (const piece of result.textStream) pieces.push(piece);
    expect(pieces.join('')).toBe(whole.text);
    expect(pieces.length).toBeGreaterThan(5);
    expect(await result.finishReason).toBe('length');
    expect(await result.usage).toMatchObject({ outputTokens: 12 });
  });

  it('throws with our codes', async () => {
    const model = provider(server.url).chatModel('gpt');
    const error: unknown = await generateText({ ...GREEDY, model }).catch((thrown: unknown) => thrown);
    expect(APICallError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({
      statusCode: 404,
      data: { error: { code: 'model_not_found', param: 'model' } },
    });
  });

  it('that is aborted frees the work', async () => {
    const aborter = new AbortController();
    const result = streamText({
      ...GREEDY,
      model: tales(),
      maxOutputTokens: 900,
      abortSignal: aborter.signal,
    });
    for await (const _ of result.textStream) aborter.abort();
    await until(async () => server.app.get(ModelProvider).describe().active === 0);
  });
});

describe('completion', () => {
  it('generateText and streamText agree', async () => {
    const model = provider(server.url).completionModel('tales');
    const { text } = await generateText({ ...GREEDY, model });
    expect(text.length).toBeGreaterThan(0);
    expect(await streamText({ ...GREEDY, model }).text).toBe(text);
  });
});

describe('embeddings', () => {
  it('embed and embedMany', async () => {
    const model = provider(encoders.url).embeddingModel('m');
    const { embedding, usage } = await embed({ model, value: 'a', maxRetries: 0 });
    expect(embedding).toEqual([0, 1, 2, 3].map((j) => expect.closeTo(0.125 - j / 3, 6) as number));
    expect(usage).toEqual({ tokens: 3 });
    const { embeddings } = await embedMany({ model, values: ['a', 'b'], maxRetries: 0 });
    expect(embeddings).toHaveLength(2);
  });
});
