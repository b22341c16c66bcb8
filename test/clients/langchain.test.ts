import { HumanMessage, SystemMessage } from '@langchain/core/messages';
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { startApp, testConfig, type TestApp } from '../support/app.js';
import { EncoderFolders } from '../support/encoders.js';
import { TALES } from '../support/models.js';
import { until } from '../support/server.js';

/** LangChain's classes for OpenAI, unmodified. */
const folders = new EncoderFolders();
let server: TestApp;
beforeAll(async () => {
  const source = await folders.embedding('mini');
  server = await startApp(testConfig([TALES, { name: 'mini', source, task: 'feature-extraction' }]));
});
afterAll(async () => {
  await server.close();
  folders.dispose();
});

const of = (url: string) => ({
  apiKey: 'none',
  configuration: { baseURL: `${url}/v1` },
  maxRetries: 0,
});
const greedy = (maxTokens: number) => ({ ...of(server.url), model: 'tales', temperature: 0, maxTokens });
const MESSAGES = [new SystemMessage('Tell stories.'), new HumanMessage('The old king said')];

describe('ChatOpenAI', () => {
  it('invokes', async () => {
    const answer = await new ChatOpenAI(greedy(12)).invoke(MESSAGES);
    expect(answer.text.length).toBeGreaterThan(0);
    expect(answer.usage_metadata).toMatchObject({ output_tokens: 12 });
    expect(answer.response_metadata).toMatchObject({ finish_reason: 'length' });
  });

  it('streams: the same text, piece by piece, with its usage', async () => {
    const chat = new ChatOpenAI(greedy(12));
    const whole = await chat.invoke(MESSAGES);
    const pieces: string[] = [];
    let outputTokens = 0;
    for await (const chunk of await chat.stream(MESSAGES)) {
      pieces.push(chunk.text);
      outputTokens += chunk.usage_metadata?.output_tokens ?? 0;
    }
    expect(pieces.join('')).toBe(whole.text);
    expect(pieces.length).toBeGreaterThan(5);
    expect(outputTokens).toBe(12);
  });

  it('throws with our codes', async () => {
    const chat = new ChatOpenAI({ ...greedy(12), model: 'gpt' });
    await expect(chat.invoke(MESSAGES)).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  it('that is aborted frees the work', async () => {
    const aborter = new AbortController();
    const stream = await new ChatOpenAI(greedy(900)).stream(MESSAGES, { signal: aborter.signal });
    await expect(async () => {
      for await (const _ of stream) aborter.abort();
    }).rejects.toThrow(/abort/i);
    await until(async () => server.app.get(ModelProvider).describe().active === 0);
  });
});

describe('OpenAI', () => {
  it('completes', async () => {
    const text = await new OpenAI(greedy(12)).invoke('Once upon a time');
    expect(text.length).toBeGreaterThan(0);
  });

  it('streams the same text', async () => {
    const model = new OpenAI(greedy(12));
    const pieces: string[] = [];
    for await (const piece of await model.stream('Once upon a time')) pieces.push(piece);
    expect(pieces.join('')).toBe(await model.invoke('Once upon a time'));
    expect(pieces.length).toBeGreaterThan(5);
  });
});

describe('OpenAIEmbeddings', () => {
  it('embeds documents and a query, as the provider does', async () => {
    const embeddings = new OpenAIEmbeddings({ ...of(server.url), model: 'mini', dimensions: 8 });
    const inputs = ['a king', 'a queen and her daughter'];
    const own = await server.app.get(ModelProvider).embed({ inputs, dimensions: 8 });
    const expected = own.embeddings.map((vector) =>
      Array.from(vector, (value) => expect.closeTo(value, 5) as number),
    );
    expect(await embeddings.embedDocuments(inputs)).toEqual(expected);
    expect(await embeddings.embedQuery('a king')).toEqual(expected[0]);
  });
});
