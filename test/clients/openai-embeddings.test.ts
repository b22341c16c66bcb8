import OpenAI, { BadRequestError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { startApp, testConfig, type TestApp } from '../support/app.js';
import { EncoderFolders, TINY } from '../support/encoders.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { INSTANCE } from '../support/fake-models.js';

/** The official client, unmodified: it asks for base64 unless told otherwise, and decodes it. */
let server: FakeRest;
let client: OpenAI;
beforeAll(async () => {
  server = await startRestOverFake();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => server.app.close());

const INPUT = { model: 'm', input: ['a', 'b'], dimensions: 3 };
const VECTORS = [0, 1].map((i) => [0, 1, 2].map((j) => expect.closeTo((i + 1) / 8 - j / 3, 6) as number));

it.each([undefined, 'float'] as const)('embeds with encoding_format %s', async (encoding_format) => {
  const { data, model, object, usage } = await client.embeddings.create({
    ...INPUT,
    ...(encoding_format ? { encoding_format } : {}),
  });
  expect({ model, object, usage }).toEqual({
    model: 'm',
    object: 'list',
    usage: { prompt_tokens: 6, total_tokens: 6 },
  });
  expect(data.map(({ embedding }) => [...embedding])).toEqual(VECTORS);
  expect(data.map(({ index }) => index)).toEqual([0, 1]);
});

it('gives base64 as it is to whoever asks for it', async () => {
  const { data } = await client.embeddings.create({ ...INPUT, encoding_format: 'base64' });
  const bytes = Buffer.from(data[0]?.embedding as unknown as string, 'base64');
  expect([0, 4, 8].map((at) => bytes.readFloatLE(at))).toEqual(VECTORS[0]);
});

it('reads the id of the request and the instance off the answer', async () => {
  const { response, request_id } = await client.embeddings.create(INPUT).withResponse();
  expect(request_id).toBe(response.headers.get('x-request-id'));
  expect(response.headers.get('x-resident-instance')).toBe(INSTANCE);
});

it('throws its own error', async () => {
  const refused = client.embeddings.create({ ...INPUT, input: '' });
  await expect(refused).rejects.toThrow(BadRequestError);
  await expect(refused).rejects.toMatchObject({
    code: 'invalid_value',
    param: 'input',
    requestID: expect.any(String) as string,
  });
});

describe('over a model', () => {
  const folders = new EncoderFolders();
  let app: TestApp;
  let real: OpenAI;
  beforeAll(async () => {
    const source = await folders.embedding('mini');
    app = await startApp(testConfig([{ name: 'mini', source, task: 'feature-extraction' }]));
    real = new OpenAI({ baseURL: `${app.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(async () => {
    await app.close();
    folders.dispose();
  });

  it.each([undefined, 'float'] as const)(
    'embeds as the provider does, encoding_format %s',
    async (format) => {
      const inputs = ['a king', 'a queen and her daughter'];
      const { embeddings, promptTokens } = await app.app.get(ModelProvider).embed({ inputs });
      const { data, usage } = await real.embeddings.create({
        model: 'mini',
        input: inputs,
        ...(format ? { encoding_format: format } : {}),
      });
      expect(usage).toEqual({ prompt_tokens: promptTokens, total_tokens: promptTokens });
      expect(data.map(({ index, embedding }) => ({ index, embedding: [...embedding] }))).toEqual(
        embeddings.map((vector, index) => ({
          index,
          embedding: Array.from(vector, (value) => expect.closeTo(value, 5) as number),
        })),
      );
      expect(Math.hypot(...(data[0]?.embedding ?? []))).toBeCloseTo(1, 5);
    },
  );

  it('is told the code and the field of what is refused', async () => {
    const refused = real.embeddings.create({ model: 'mini', input: 'a '.repeat(TINY.context + 1) });
    await expect(refused).rejects.toMatchObject({ code: 'context_length_exceeded', param: 'input' });
    const wide = real.embeddings.create({ model: 'mini', input: 'a', dimensions: TINY.hidden + 1 });
    await expect(wide).rejects.toMatchObject({ code: 'invalid_value', param: 'dimensions' });
  });
});
