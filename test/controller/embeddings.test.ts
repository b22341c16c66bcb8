import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/index.js';
import { embeddingAnswerSchema } from '../../src/openai/embeddings.schema.js';
import { post } from '../support/app.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { INSTANCE } from '../support/fake-models.js';
import { until } from '../support/server.js';

let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake();
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.calls.length = 0;
  fake.models.failure = undefined;
  fake.models.hold = undefined;
});

const embed = (fields: object) => post(`${fake.url}/v1/embeddings`, { model: 'm', ...fields });

describe('POST /v1/embeddings', () => {
  it('gives a vector for each input', async () => {
    const answer = await embed({ input: ['a', 'b'], dimensions: 2 });
    expect(answer.status).toBe(200);
    expect(embeddingAnswerSchema.parse(answer.body)).toEqual({
      object: 'list',
      data: [
        { object: 'embedding', index: 0, embedding: [0.125, Math.fround(1 / 8 - 1 / 3)] },
        { object: 'embedding', index: 1, embedding: [0.25, Math.fround(1 / 4 - 1 / 3)] },
      ],
      model: 'm',
      usage: { prompt_tokens: 6, total_tokens: 6 },
    });
    expect(answer.headers.get('x-resident-instance')).toBe(INSTANCE);
    expect(answer.headers.get('x-resident-queue-ms')).toBe('1.3');
    expect(answer.headers.get('x-resident-inference-ms')).toBe('20.0');
  });

  it('gives the same numbers as base64', async () => {
    const [floats, base64] = await Promise.all([
      embed({ input: 'a' }),
      embed({ input: 'a', encoding_format: 'base64' }),
    ]);
    const [text] = embeddingAnswerSchema.parse(base64.body).data.map(({ embedding }) => embedding);
    const bytes = Buffer.from(text as string, 'base64');
    expect(Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i))).toEqual(
      embeddingAnswerSchema.parse(floats.body).data[0]?.embedding,
    );
  });

  it.each([
    ['a', ['a']],
    [[1, 2], [[1, 2]]],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [
      [[1, 2], [3]],
      [[1, 2], [3]],
    ],
  ])('reads %j', async (input, inputs) => {
    expect(await embed({ input })).toMatchObject({ status: 200 });
    expect(fake.models.calls).toMatchObject([{ kind: 'embed', request: { model: 'm', inputs } }]);
  });

  it('passes on what it is asked', async () => {
    await embed({
      input: 'a',
      input_type: 'query',
      normalize: false,
      truncate: true,
      timeout: 0.5,
      user: 'u',
    });
    await embed({ input: 'a', prompt_name: 'passage' });
    expect(fake.models.calls).toMatchObject([
      {
        request: { promptName: 'query', normalize: false, truncate: true, timeoutMs: 500 },
        options: { client: 'u', priority: 'interactive' },
      },
      { request: { promptName: 'passage' }, options: { client: '127.0.0.1' } },
    ]);
  });

  it.each([
    ['no input', {}, 'missing_required_parameter', 'input'],
    ['an empty input', { input: '' }, 'invalid_value', 'input'],
    ['no inputs', { input: [] }, 'invalid_value', 'input'],
    ['an empty one among others', { input: ['a', ''] }, 'invalid_value', 'input[1]'],
    ['too many', { input: Array.from({ length: 2049 }, () => 'a') }, 'invalid_value', 'input'],
    ['text beside tokens', { input: ['a', [1]] }, 'invalid_value', 'input'],
    ['another format', { input: 'a', encoding_format: 'int8' }, 'invalid_value', 'encoding_format'],
    ['no dimensions', { input: 'a', dimensions: 0 }, 'invalid_value', 'dimensions'],
    ['two prompts', { input: 'a', input_type: 'a', prompt_name: 'b' }, 'invalid_value', 'input_type'],
    ['an unknown field', { input: 'a', dimension: 1 }, 'unknown_parameter', 'dimension'],
  ])('refuses %s', async (_, fields, code, param) => {
    expect(await embed(fields)).toMatchObject({ status: 400, body: { error: { code, param } } });
    expect(fake.models.calls).toEqual([]);
  });

  it('tells to come back when the queue is full', async () => {
    fake.models.failure = new UnavailableError('queue_full', 'full');
    const answer = await embed({ input: 'a' });
    expect(answer).toMatchObject({ status: 429, body: { error: { code: 'queue_full' } } });
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it('ends the work of whoever goes away', async () => {
    fake.models.hold = new Promise(() => undefined);
    const gone = new AbortController();
    const answer = fetch(`${fake.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', input: 'a' }),
      signal: gone.signal,
    });
    await until(async () => fake.models.calls.length === 1);
    const { signal } = fake.models.calls[0]?.options ?? {};
    expect(signal?.aborted).toBe(false);
    gone.abort();
    await expect(answer).rejects.toThrow('abort');
    await until(async () => signal?.aborted === true);
  });
});
