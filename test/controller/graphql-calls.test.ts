import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GraphqlApiModule, InvalidRequestError } from '../../src/index.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { INSTANCE, saying } from '../support/fake-models.js';
import { query } from '../support/graphql.js';

let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake('1mb', GraphqlApiModule.forRoot({ introspection: true }));
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.calls.length = 0;
  fake.models.failure = undefined;
  fake.models.requests.length = 0;
  fake.models.script = () => saying('Hello');
});

const FACTS = 'instanceId timing { queueMs inferenceMs }';
const USED = `${FACTS} usage { promptTokens }`;
const facts = { instanceId: INSTANCE, timing: { queueMs: 1.25, inferenceMs: 20 } };

const operations = {
  embed: `query ($input: EmbedInput!) { embed(input: $input) { embeddings ${USED} } }`,
  classify: `query ($input: ClassifyInput!) { classify(input: $input) { labels { label score } ${USED} } }`,
  rerank: `query ($input: RerankInput!) { rerank(input: $input) { results { index score document } ${USED} } }`,
  tokenize: `query ($input: TokenizeInput!) { tokenize(input: $input) { tokens { id text special } count ${FACTS} } }`,
  detokenize: `query ($input: DetokenizeInput!) { detokenize(input: $input) { text ${FACTS} } }`,
} as const;

const ask = async (kind: keyof typeof operations, input: object) =>
  (await query(fake.url, operations[kind], { input })).body;

const texts = { embed: { inputs: ['a'] }, classify: { inputs: [{ text: 'a' }] } } as const;

describe('query', () => {
  it('embed answers a vector for each text', async () => {
    expect(await ask('embed', { inputs: ['a', 'b'], dimensions: 1 })).toEqual({
      data: {
        embed: {
          embeddings: [[0.125], [0.25]],
          usage: { promptTokens: 6 },
          ...facts,
        },
      },
    });
  });

  it('embed hands the input on in full, for somebody who waits', async () => {
    const options = { dimensions: 5, promptName: 'query', truncate: true, normalize: false };
    await ask('embed', { model: 'minilm', inputs: ['a'], ...options, timeout: 1.5 });
    expect(fake.models.calls).toEqual([
      {
        kind: 'embed',
        request: { model: 'minilm', inputs: ['a'], ...options, timeoutMs: 1500 },
        options: {
          priority: 'interactive',
          client: expect.stringContaining('127.0.0.1') as string,
          signal: expect.any(AbortSignal) as AbortSignal,
        },
      },
    ]);
  });

  it('classify answers labels for texts and pairs', async () => {
    const inputs = [{ text: 'a' }, { text: 'b', pair: 'c' }];
    const labels = [
      { label: 'good', score: 0.75 },
      { label: 'fair', score: 0.2 },
      { label: 'bad', score: 0.05 },
    ];
    expect(await ask('classify', { inputs, rawScores: true })).toEqual({
      data: { classify: { labels: [labels, labels], usage: { promptTokens: 6 }, ...facts } },
    });
    expect(fake.models.calls).toMatchObject([
      { kind: 'classify', request: { inputs: ['a', { text: 'b', pair: 'c' }], rawScores: true } },
    ]);
  });

  it('rerank puts the most relevant first, and leaves out the rest', async () => {
    const documents = ['aa', 'aaaa', 'a', 'bbbb'];
    expect(await ask('rerank', { query: 'q', documents, topN: 3 })).toEqual({
      data: {
        rerank: {
          results: [
            { index: 1, score: 0.04, document: 'aaaa' },
            { index: 3, score: 0.04, document: 'bbbb' },
            { index: 0, score: 0.02, document: 'aa' },
          ],
          usage: { promptTokens: 9 },
          ...facts,
        },
      },
    });
    expect(fake.models.calls).toMatchObject([{ kind: 'rerank', request: { query: 'q', documents } }]);
  });

  it('tokenize and detokenize are each other’s inverse', async () => {
    expect(await ask('tokenize', { text: 'hi', addSpecialTokens: false })).toEqual({
      data: {
        tokenize: {
          tokens: [
            { id: 104, text: 'h', special: false },
            { id: 105, text: 'i', special: false },
          ],
          count: 2,
          ...facts,
        },
      },
    });
    expect(await ask('detokenize', { tokens: [104, 105], skipSpecialTokens: false })).toEqual({
      data: { detokenize: { text: 'hi', ...facts } },
    });
    expect(fake.models.calls).toMatchObject([
      { request: { text: 'hi', addSpecialTokens: false } },
      { request: { tokens: [104, 105], skipSpecialTokens: false } },
    ]);
  });

  it.each([
    ['embed', { inputs: [] }, 'inputs'],
    ['embed', { inputs: ['a', ''] }, 'inputs[1]'],
    ['embed', { ...texts.embed, dimensions: 0 }, 'dimensions'],
    ['embed', { ...texts.embed, timeout: -1 }, 'timeout'],
    ['classify', { inputs: [] }, 'inputs'],
    ['classify', { inputs: [{ text: '' }] }, 'inputs[0].text'],
    ['rerank', { query: '', documents: ['a'] }, 'query'],
    ['rerank', { query: 'q', documents: [] }, 'documents'],
    ['rerank', { query: 'q', documents: ['a'], topN: 0 }, 'topN'],
    ['detokenize', { tokens: [-1] }, 'tokens[0]'],
  ] as const)('%s refuses %j and names the field', async (kind, input, param) => {
    expect(await ask(kind, input)).toMatchObject({
      errors: [{ extensions: { code: 'invalid_value', param } }],
    });
    expect(fake.models.calls).toEqual([]);
  });

  it.each(['task_not_supported', 'model_not_found', 'context_length_exceeded'] as const)(
    'tells %s as REST does',
    async (code) => {
      fake.models.failure = new InvalidRequestError(code, 'no', { param: 'prompt_name' });
      expect(await ask('embed', texts.embed)).toMatchObject({
        errors: [{ message: 'no', extensions: { code, param: 'promptName' } }],
      });
    },
  );

  it('several run beside each other in one operation', async () => {
    const text =
      'query ($a: EmbedInput!) { embed(input: $a) { embeddings } tokenize(input: { text: "x" }) { count } }';
    expect((await query(fake.url, text, { a: { ...texts.embed, dimensions: 1 } })).body).toEqual({
      data: { embed: { embeddings: [[0.125]] }, tokenize: { count: 2 } },
    });
  });
});

describe('query generate', () => {
  const generate = async (input: object) =>
    (await query(fake.url, 'query ($input: GenerateInput!) { generate(input: $input) { text } }', { input }))
      .body;

  it('takes a chat instead of a prompt', async () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ];
    expect(await generate({ messages })).toEqual({ data: { generate: { text: 'Hello' } } });
    expect(fake.models.requests).toEqual([{ prompt: { kind: 'chat', messages } }]);
  });

  it.each([
    [{}, 'prompt'],
    [{ prompt: null, messages: null }, 'prompt'],
    [{ prompt: 'a', messages: [{ role: 'user', content: 'b' }] }, 'messages'],
    [{ messages: [] }, 'messages'],
  ])('refuses %j', async (input, param) => {
    expect(await generate(input)).toMatchObject({
      errors: [{ extensions: { code: 'invalid_value', param } }],
    });
    expect(fake.models.requests).toEqual([]);
  });

  it('that nobody waits for any more is given up', async () => {
    fake.models.signals.length = 0;
    fake.models.script = async function* (_request, signal) {
      yield* [];
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))));
    };
    const aborter = new AbortController();
    const body = JSON.stringify({ query: '{ generate(input: { prompt: "a" }) { text } }' });
    const headers = { 'content-type': 'application/json' };
    const answer = fetch(`${fake.url}/graphql`, { method: 'POST', body, headers, signal: aborter.signal });
    await expect.poll(() => fake.models.signals.length).toBe(1);
    aborter.abort();
    await expect(answer).rejects.toThrow('abort');
    await expect.poll(() => fake.models.signals[0]?.aborted).toBe(true);
  });
});
