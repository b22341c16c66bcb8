import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  chatCompletionChunkSchema,
  chatCompletionSchema,
  completionChunkSchema,
  completionSchema,
  errorSchema,
  livenessSchema,
  modelListSchema,
  modelSchema,
  readinessSchema,
} from '../../src/openapi/answer-schemas.js';
import { BATCH_OPERATIONS } from '../../src/openapi/batch-operations.js';
import { openApiDocument } from '../../src/openapi/openapi-document.js';
import { OPERATIONS } from '../../src/openapi/operations.js';
import { get, post, readSse } from '../support/app.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { saying } from '../support/fake-models.js';

let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake();
  fake.models.script = () => saying('Hello', ' world');
});
afterAll(() => fake.app.close());

const BATCH_TAGS: ReadonlySet<string> = new Set(BATCH_OPERATIONS.map(({ tag }) => tag));

const COMPLETION = { model: 'tales', prompt: 'a' };
const CHAT = { model: 'tales', messages: [{ role: 'user', content: 'a' }] };

async function chunks(path: string, body: object): Promise<unknown[]> {
  const response = await fetch(fake.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  const frames = await readSse(response);
  expect(frames.pop()).toBe('[DONE]');
  return frames.map((frame): unknown => JSON.parse(frame));
}

describe('GET /openapi.json', () => {
  it('is the document', async () => {
    expect(await get(`${fake.url}/openapi.json`)).toMatchObject({ status: 200, body: openApiDocument() });
  });

  it('has every path of the server, and each is there', async () => {
    // those of batches need tables: files.test.ts
    for (const { method, path, request } of OPERATIONS.filter(({ tag }) => !BATCH_TAGS.has(tag))) {
      const url = fake.url + path.replace('{model}', 'tales');
      const { status } = await (method === 'get' ? fetch(url) : post(url, {}));
      expect({ path, status }).toEqual({ path, status: request === undefined ? 200 : 400 });
    }
  });
});

describe('answers are as the document says', () => {
  it.each([
    ['completions', completionSchema, '/v1/completions', COMPLETION],
    ['chat completions', chatCompletionSchema, '/v1/chat/completions', CHAT],
    ['refusals', errorSchema, '/v1/completions', {}],
  ])('%s', async (_, schema, path, body) => {
    expect(schema.safeParse((await post(fake.url + path, body)).body).error).toBeUndefined();
  });

  it.each([
    ['completions', completionChunkSchema, '/v1/completions', COMPLETION],
    ['chat completions', chatCompletionChunkSchema, '/v1/chat/completions', CHAT],
  ])('events of %s', async (_, schema, path, body) => {
    for (const chunk of await chunks(path, body)) expect(schema.safeParse(chunk).error).toBeUndefined();
  });

  it.each([
    ['models', modelListSchema, '/v1/models'],
    ['a model', modelSchema, '/v1/models/tales'],
    ['liveness', livenessSchema, '/health/live'],
    ['readiness', readinessSchema, '/health/ready'],
  ])('%s', async (_, schema, path) => {
    expect(schema.safeParse((await get(fake.url + path)).body).error).toBeUndefined();
  });
});

describe('GET /docs', () => {
  it('is a page that loads nothing from elsewhere and holds no script', async () => {
    const response = await fetch(`${fake.url}/docs`);
    const html = await response.text();
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(html).not.toMatch(/https?:|<script>|style=|onload=/);
    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path);
    expect(files).toHaveLength(4);
    const answers = await Promise.all(files.map((file) => fetch(fake.url + file)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  it.each([
    ['swagger-ui.css', 'text/css; charset=utf-8'],
    ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
    ['init.js', 'text/javascript; charset=utf-8'],
    ['favicon-32x32.png', 'image/png'],
  ])('has %s', async (file, type) => {
    const response = await fetch(`${fake.url}/docs/${file}`);
    expect(response.headers.get('content-type')).toBe(type);
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(100);
  });

  it.each(['package.json', '..%2Fpackage.json', '%2e%2e%2f%2e%2e%2fpackage.json', 'swagger-ui.js'])(
    'has no %s',
    async (file) => {
      expect(await get(`${fake.url}/docs/${file}`)).toMatchObject({
        status: 404,
        body: { error: { code: 'not_found' } },
      });
    },
  );
});
