import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { get, post, startApp, testConfig, type TestApp } from '../support/app.js';
import { EncoderFolders } from '../support/encoders.js';
import { TALES } from '../support/models.js';

const folders = new EncoderFolders();
let app: TestApp;
let models: ModelProvider;

beforeAll(async () => {
  const encoder = { threads: 1, batchTokens: 256 };
  app = await startApp(
    testConfig([
      {
        name: 'embedder',
        source: await folders.embedding('embedder'),
        task: 'feature-extraction',
        aliases: ['text-embedding-3-small'],
        pooling: 'cls',
        prompts: { query: 'query: ' },
        ...encoder,
      },
      { name: 'mood', source: await folders.classifier('mood', 3), task: 'text-classification', ...encoder },
      { name: 'judge', source: await folders.classifier('judge', 1), task: 'reranking', ...encoder },
      TALES,
    ]),
  );
  models = app.app.get(ModelProvider);
});

afterAll(async () => {
  await app.close();
  folders.dispose();
});

describe('several models in one provider', () => {
  it('are loaded once each, in processes of their own, and ready together', () => {
    const all = models.describeAll();
    expect(all.map(({ name }) => name)).toEqual(['embedder', 'mood', 'judge', 'tales']);
    expect(all.map(({ loads }) => loads)).toEqual([1, 1, 1, 1]);
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(4);
    expect(models.ready).toBe(true);
  });

  it('have other names, too', async () => {
    const { headers } = await send('embeddings', { model: 'text-embedding-3-small', input: 'hello' });
    expect(headers.get('x-resident-instance')).toBe(models.describe('embedder').instanceId);
    const { body } = await get(`${app.url}/v1/models/text-embedding-3-small`);
    expect(body['id']).toBe('embedder');
  });

  it.each([
    [
      'embeddings',
      { model: 'tales', input: 'a' },
      "The model 'tales' does text-generation, not feature-extraction.",
    ],
    [
      'rerank',
      { model: 'mood', query: 'a', documents: ['b'] },
      "The model 'mood' does text-classification, not reranking.",
    ],
    [
      'completions',
      { model: 'judge', prompt: 'a' },
      "The model 'judge' does reranking, not text-generation.",
    ],
  ])('%s of another task is a 400 that says what the model does', async (path, request, message) => {
    const { status, body } = await send(path, request);
    expect(status).toBe(400);
    expect(body['error']).toMatchObject({
      code: 'task_not_supported',
      param: 'model',
      message: expect.stringContaining(message) as string,
    });
  });

  it('need no name where one does what is asked', async () => {
    const [{ instanceId: generated }, { instanceId: embedded }] = await Promise.all([
      models.complete({ prompt: { kind: 'text', text: 'Once' }, maxTokens: 1 }),
      models.embed({ inputs: ['hello'] }),
    ]);
    expect(generated).toBe(models.describe('tales').instanceId);
    expect(embedded).toBe(models.describe('embedder').instanceId);
  });

  it('have a tokenizer each', async () => {
    const { tokens } = await models.tokenize({ model: 'tales', text: 'Once upon a time' });
    const { text } = await models.detokenize({ model: 'tales', tokens: tokens.map(({ id }) => id) });
    expect(text).toBe('Once upon a time');
  });
});

const send = (path: string, body: object) => post(`${app.url}/v1/${path}`, body);

describe('over HTTP', () => {
  it('embeddings are those of the provider, as configured', async () => {
    const { embeddings } = await models.embed({ inputs: ['hello', 'there'], promptName: 'query' });
    const { status, body, headers } = await send('embeddings', {
      model: 'embedder',
      input: ['hello', 'there'],
      prompt_name: 'query',
    });
    expect(status).toBe(200);
    expect(headers.get('x-resident-instance')).toBe(models.describe('embedder').instanceId);
    const data = body['data'] as { index: number; embedding: number[] }[];
    expect(data.map(({ index }) => index)).toEqual([0, 1]);
    for (const [i, { embedding }] of data.entries())
      for (const [at, value] of embedding.entries()) expect(value).toBeCloseTo(embeddings[i]?.[at] ?? NaN, 5);
  });

  it('base64 holds the same numbers', async () => {
    const request = { model: 'embedder', input: 'hello' };
    const floats = await send('embeddings', request);
    const bits = await send('embeddings', { ...request, encoding_format: 'base64' });
    const [{ embedding }] = floats.body['data'] as [{ embedding: number[] }];
    const [{ embedding: text }] = bits.body['data'] as [{ embedding: string }];
    const bytes = Buffer.from(text, 'base64');
    const numbers = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    expect(numbers).toHaveLength(32);
    for (const [i, number] of numbers.entries()) expect(number).toBeCloseTo(embedding[i] ?? NaN, 5);
  });

  it('an input that is too long is a 400 that says what to do', async () => {
    const { status, body } = await send('embeddings', { model: 'embedder', input: 'a '.repeat(100) });
    expect(status).toBe(400);
    expect(body['error']).toMatchObject({
      code: 'context_length_exceeded',
      param: 'input',
      message: expect.stringContaining('truncate') as string,
    });
    const cut = await send('embeddings', { model: 'embedder', input: 'a '.repeat(100), truncate: true });
    expect(cut.body['usage']).toMatchObject({ prompt_tokens: 64 });
  });

  it('classes and relevances are those of the provider', async () => {
    const { labels } = await models.classify({ inputs: ['hello'] });
    const classes = await send('classify', { model: 'mood', input: 'hello' });
    expect(classes.status).toBe(200);
    expect(JSON.stringify(classes.body)).toContain(JSON.stringify(labels[0]?.[0]?.label));
    const { scores } = await models.rerank({ query: 'who', documents: ['a', 'b c'] });
    const { body } = await send('rerank', { model: 'judge', query: 'who', documents: ['a', 'b c'] });
    const results = body['results'] as { index: number; relevance_score: number }[];
    for (const { index, relevance_score } of results)
      expect(relevance_score).toBeCloseTo(scores[index] ?? NaN, 5);
  });

  it('a request for another task is a 400', async () => {
    const { status, body } = await send('embeddings', { model: 'mood', input: 'a' });
    expect({ status, body }).toMatchObject({ status: 400, body: { error: { code: 'task_not_supported' } } });
  });

  it('models tell what they are', async () => {
    const { body } = await get(`${app.url}/v1/models/embedder`);
    expect(body).toMatchObject({
      resident: { task: 'feature-extraction', dimensions: 32, maxInputTokens: 64, promptNames: ['query'] },
    });
  });
});
