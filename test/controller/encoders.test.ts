import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../src/index.js';
import { classifyAnswerSchema } from '../../src/encoders/classify.schema.js';
import { rerankAnswerSchema } from '../../src/encoders/rerank.schema.js';
import { detokenizeAnswerSchema, tokenizeAnswerSchema } from '../../src/encoders/tokenize.schema.js';
import { post } from '../support/app.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';

let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake();
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.calls.length = 0;
  fake.models.failure = undefined;
});

const send = (path: string, body: object) => post(`${fake.url}/v1/${path}`, { model: 'm', ...body });

describe('POST /v1/rerank', () => {
  const documents = ['bb', { text: 'ccc' }, 'a'];
  const rerank = (body: object = {}) => send('rerank', { query: 'q', documents, ...body });

  it('sorts by relevance and tells no texts', async () => {
    const { status, body } = await rerank();
    expect(status).toBe(200);
    expect(rerankAnswerSchema.parse(body)).toEqual({
      id: expect.stringMatching(/^rerank-/) as string,
      model: 'm',
      results: [
        { index: 1, relevance_score: 0.03 },
        { index: 0, relevance_score: 0.02 },
        { index: 2, relevance_score: 0.01 },
      ],
      usage: { prompt_tokens: 9, total_tokens: 9 },
    });
    expect(fake.models.calls).toMatchObject([
      { request: { model: 'm', query: 'q', documents: ['bb', 'ccc', 'a'] } },
    ]);
  });

  it('tells the best ones with their texts, if asked', async () => {
    const { body } = await rerank({ top_n: 2, return_documents: true });
    expect(rerankAnswerSchema.parse(body).results).toEqual([
      { index: 1, relevance_score: 0.03, document: { text: 'ccc' } },
      { index: 0, relevance_score: 0.02, document: { text: 'bb' } },
    ]);
  });

  it('keeps the order of documents that are equally relevant', async () => {
    const { body } = await rerank({ documents: ['xx', 'yy', 'z', 'ww'], top_n: 10 });
    expect(rerankAnswerSchema.parse(body).results.map(({ index }) => index)).toEqual([0, 1, 3, 2]);
  });

  it('passes on what it is asked', async () => {
    await rerank({ truncate: true, raw_scores: true, timeout: 2, user: 'u' });
    expect(fake.models.calls).toMatchObject([
      {
        request: { truncate: true, rawScores: true, timeoutMs: 2000 },
        options: { client: 'u', priority: 'interactive', signal: expect.any(AbortSignal) as AbortSignal },
      },
    ]);
  });

  it.each([
    ['no query', { query: undefined }, 'missing_required_parameter', 'query'],
    ['no documents', { documents: [] }, 'invalid_value', 'documents'],
    ['an empty document', { documents: [''] }, 'invalid_value', 'documents[0]'],
    [
      'a document with more than text',
      { documents: [{ text: 'a', title: 'b' }] },
      'unknown_parameter',
      'documents[0].title',
    ],
    ['top_n 0', { top_n: 0 }, 'invalid_value', 'top_n'],
    ['rank_fields', { rank_fields: ['title'] }, 'unsupported_parameter', 'rank_fields'],
    ['an unknown field', { topn: 1 }, 'unknown_parameter', 'topn'],
  ])('refuses %s', async (_, fields, code, param) => {
    expect(await rerank(fields)).toMatchObject({ status: 400, body: { error: { code, param } } });
  });
});

describe('POST /v1/classify', () => {
  it('gives every label of each text, the best first', async () => {
    const { status, body } = await send('classify', { input: ['a', 'b'] });
    expect(status).toBe(200);
    expect(classifyAnswerSchema.parse(body)).toMatchObject({
      data: [
        {
          index: 0,
          label: 'good',
          score: 0.75,
          scores: [{ label: 'good' }, { label: 'fair' }, { label: 'bad' }],
        },
        { index: 1, label: 'good', score: 0.75 },
      ],
      usage: { prompt_tokens: 6, total_tokens: 6 },
    });
  });

  it('gives the best ones only, if asked', async () => {
    const { body } = await send('classify', { inputs: 'a', top_k: 2 });
    expect(classifyAnswerSchema.parse(body).data[0]?.scores.map(({ label }) => label)).toEqual([
      'good',
      'fair',
    ]);
  });

  it.each([
    [{ inputs: 'a' }, ['a']],
    [{ input: 'a' }, ['a']],
    [{ input: ['a', 'b'] }, ['a', 'b']],
    // as text-embeddings-inference reads them
    [{ inputs: ['a'] }, ['a']],
    [{ inputs: ['a', 'b'] }, [{ text: 'a', pair: 'b' }]],
    [{ inputs: [['a', 'b']] }, [{ text: 'a', pair: 'b' }]],
    [{ inputs: [['a'], ['b', 'c']] }, ['a', { text: 'b', pair: 'c' }]],
  ])('reads %j', async (fields, inputs) => {
    expect(await send('classify', { ...fields, raw_scores: true })).toMatchObject({ status: 200 });
    expect(fake.models.calls).toMatchObject([{ kind: 'classify', request: { inputs, rawScores: true } }]);
  });

  it.each([
    ['no inputs', {}, 'missing_required_parameter', 'inputs'],
    ['both names', { inputs: 'a', input: 'a' }, 'invalid_value', 'input'],
    ['a triple', { inputs: [['a', 'b', 'c']] }, 'invalid_value', 'inputs'],
    ['three texts as a pair', { inputs: ['a', 'b', 'c'] }, 'invalid_value', 'inputs'],
    ['bare texts beside pairs', { inputs: ['a', ['b', 'c']] }, 'invalid_value', 'inputs'],
    ['pairs as texts', { input: [['a', 'b']] }, 'invalid_value', 'input'],
    ['an empty text', { inputs: '' }, 'invalid_value', 'inputs'],
    [
      'another direction',
      { inputs: 'a', truncation_direction: 'Left' },
      'unsupported_parameter',
      'truncation_direction',
    ],
  ])('refuses %s', async (_, fields, code, param) => {
    expect(await send('classify', fields)).toMatchObject({ status: 400, body: { error: { code, param } } });
  });
});

describe('POST /v1/tokenize and /v1/detokenize', () => {
  it.each(['input', 'prompt'])('gives the tokens of %s', async (name) => {
    const { status, body } = await send('tokenize', { [name]: 'ab' });
    expect(status).toBe(200);
    expect(tokenizeAnswerSchema.parse(body)).toEqual({
      model: 'm',
      count: 3,
      tokens: [1, 97, 98],
      pieces: [
        { id: 1, text: '<s>', special: true },
        { id: 97, text: 'a', special: false },
        { id: 98, text: 'b', special: false },
      ],
    });
  });

  it('leaves special tokens out', async () => {
    expect((await send('tokenize', { input: '', add_special_tokens: false })).body).toMatchObject({
      tokens: [],
    });
  });

  it('gives the text of tokens', async () => {
    const { status, body } = await send('detokenize', { tokens: [97, 98], skip_special_tokens: false });
    expect(status).toBe(200);
    expect(detokenizeAnswerSchema.parse(body)).toEqual({ model: 'm', text: 'ab' });
    expect(fake.models.calls).toMatchObject([{ request: { tokens: [97, 98], skipSpecialTokens: false } }]);
  });

  it.each([
    ['tokenize', {}, 'missing_required_parameter', 'input'],
    ['tokenize', { input: 'a', prompt: 'b' }, 'invalid_value', 'prompt'],
    ['tokenize', { messages: [] }, 'unsupported_parameter', 'messages'],
    ['detokenize', {}, 'missing_required_parameter', 'tokens'],
    ['detokenize', { tokens: [-1] }, 'invalid_value', 'tokens[0]'],
  ])('%s refuses %j', async (path, fields, code, param) => {
    expect(await send(path, fields)).toMatchObject({ status: 400, body: { error: { code, param } } });
  });
});

it.each(['rerank', 'classify', 'tokenize', 'detokenize'])('%s tells what the model refuses', async (path) => {
  fake.models.failure = new InvalidRequestError('task_not_supported', 'No.', { param: 'model' });
  const body = {
    rerank: { query: 'q', documents: ['a'] },
    classify: { input: 'a' },
    tokenize: { input: 'a' },
  };
  const answer = await send(path, path === 'detokenize' ? { tokens: [1] } : body[path as keyof typeof body]);
  expect(answer).toMatchObject({
    status: 400,
    body: { error: { code: 'task_not_supported', param: 'model' } },
  });
});
