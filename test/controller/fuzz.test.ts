import * as fc from 'fast-check';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorSchema } from '../../src/openapi/answer-schemas.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { saying } from '../support/fake-models.js';
import {
  contentEncoding,
  contentType,
  endpoint,
  ENDPOINTS,
  mutatedBody,
  nested,
  VALID_BODIES,
} from '../support/hostile-bodies.js';

/** Whatever is sent, the answer comes, is no 500, and is OpenAI's envelope if it is a refusal. */
let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake('1mb');
  fake.models.script = () => saying('Hello');
});
afterAll(() => fake.app.close());

const HANGS_AFTER_MS = 5000;
const JSON_TYPE = { 'content-type': 'application/json' };

async function send(path: string, init: RequestInit): Promise<Response> {
  return fetch(fake.url + path, { method: 'POST', signal: AbortSignal.timeout(HANGS_AFTER_MS), ...init });
}

async function expectSane(response: Response): Promise<void> {
  const text = await response.text();
  expect({ status: response.status, text, fault: faultOf(response, text) }).toMatchObject({
    fault: undefined,
  });
}

/** What is wrong with an answer, if anything is. */
function faultOf({ status, headers }: Response, text: string): string | undefined {
  const type = headers.get('content-type') ?? 'no type';
  if (status >= 500) return 'the server failed';
  if (!headers.has('x-request-id')) return 'it has no id';
  if (type.startsWith('text/event-stream')) return text.endsWith('[DONE]\n\n') ? undefined : 'it has no end';
  if (!type.startsWith('application/json')) return `it is ${type}`;
  if (status < 400) return undefined;
  return errorSchema.safeParse(JSON.parse(text)).error?.message;
}

function holds<T>(
  arbitrary: fc.Arbitrary<T>,
  runs: number,
  check: (value: T) => Promise<void>,
): Promise<void> {
  return fc.assert(fc.asyncProperty(arbitrary, check), { numRuns: runs });
}

it('the bodies that are mutated are valid', async () => {
  for (const path of ENDPOINTS) {
    const response = await send(path, { headers: JSON_TYPE, body: JSON.stringify(VALID_BODIES[path]) });
    expect({ path, status: response.status }).toEqual({ path, status: 200 });
  }
});

it('survives any JSON', () =>
  holds(fc.tuple(endpoint, fc.json()), 150, async ([path, body]) =>
    expectSane(await send(path, { headers: JSON_TYPE, body })),
  ));

it('survives valid bodies in which something is odd', () =>
  holds(mutatedBody, 400, async ({ path, text }) =>
    expectSane(await send(path, { headers: JSON_TYPE, body: text })),
  ));

it('survives bytes of any kind that call themselves anything', () =>
  holds(
    fc.tuple(endpoint, fc.uint8Array({ maxLength: 200 }), contentType, contentEncoding),
    150,
    async ([path, bytes, type, encoding]) => {
      const headers = { 'content-type': type, ...(encoding ? { 'content-encoding': encoding } : {}) };
      await expectSane(await send(path, { headers, body: Buffer.from(bytes) }));
    },
  ));

it('survives valid bodies that call themselves anything', () =>
  holds(fc.tuple(endpoint, contentType, contentEncoding), 100, async ([path, type, encoding]) => {
    const headers = { 'content-type': type, ...(encoding ? { 'content-encoding': encoding } : {}) };
    await expectSane(await send(path, { headers, body: JSON.stringify(VALID_BODIES[path]) }));
  }));

it('survives invalid UTF-8 within strings', () =>
  holds(fc.tuple(endpoint, fc.uint8Array({ minLength: 1, maxLength: 8 })), 100, async ([path, bytes]) => {
    const text = JSON.stringify(VALID_BODIES[path]).replace('"a"', '"@"');
    const [before = '', after = ''] = text.split('@');
    const printable = bytes.map((byte) => (byte < 0x80 ? byte | 0x80 : byte));
    const body = Buffer.concat([Buffer.from(before), printable, Buffer.from(after)]);
    await expectSane(await send(path, { headers: JSON_TYPE, body }));
  }));

it.each(ENDPOINTS)('%s survives deep nesting in every field', async (path) => {
  const valid = VALID_BODIES[path];
  const towers = [nested(10_000, '[', ']'), `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`];
  for (const tower of towers) {
    await expectSane(await send(path, { headers: JSON_TYPE, body: tower }));
    for (const field of [...Object.keys(valid), 'tools', 'response_format', 'suffix', 'rank_fields', 'x']) {
      const rest = JSON.stringify({ ...valid, [field]: undefined }).slice(1, -1);
      const response = await send(path, { headers: JSON_TYPE, body: `{${rest},"${field}":${tower}}` });
      expect({ field, status: response.status }).toEqual({ field, status: 400 });
      await expectSane(response);
    }
  }
});

it.each(ENDPOINTS)('%s refuses keys that would change prototypes, wherever they are', async (path) => {
  const rest = JSON.stringify(VALID_BODIES[path]).slice(1, -1);
  for (const odd of [
    '"__proto__":{"model":"x"}',
    '"user":"u","metadata":{"__proto__":{"a":1}}',
    '"constructor":1',
  ]) {
    const response = await send(path, { headers: JSON_TYPE, body: `{${rest},${odd}}` });
    expect({ odd, status: response.status }).toEqual({ odd, status: 400 });
    await expectSane(response);
  }
  expect(({} as { model?: string }).model).toBeUndefined();
});

it('refuses other methods', async () => {
  for (const path of [...ENDPOINTS, '/v1/models', '/openapi.json', '/docs', '/']) {
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const response = await send(path, { method, headers: JSON_TYPE, body: '{}' });
      expect({ path, status: response.status }).toEqual({ path, status: path === '/' ? 404 : 405 });
      await expectSane(response);
    }
  }
  for (const path of ENDPOINTS) {
    const response = await send(path, { method: 'GET' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    await expectSane(response);
  }
});

it.each([
  '/%',
  '/v1/models/%E0%A4%A',
  '/v1/models/%00',
  '/v1//completions',
  '/v1/models/__proto__',
  '/docs/%',
])('refuses the path %s', async (path) => {
  const response = await send(path, { method: 'GET' });
  expect([400, 404]).toContain(response.status);
  await expectSane(response);
});

it('survives an empty body, and a body that is missing', async () => {
  for (const path of ENDPOINTS) {
    for (const init of [{}, { headers: JSON_TYPE }, { headers: JSON_TYPE, body: '' }]) {
      const response = await send(path, init);
      expect(response.status).toBe(400);
      await expectSane(response);
    }
  }
});

function sendRaw(bytes: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(new URL(fake.url).port), '127.0.0.1', () => socket.end(bytes));
    socket.setTimeout(HANGS_AFTER_MS, () => reject(new Error('no answer')));
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

it.each([
  ['garbage\r\n\r\n', 400],
  ['BREW /v1/tokenize HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ['GET /caf\u00E9 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
])('refuses what is no HTTP in the same envelope: %#', async (raw, status) => {
  const answer = await sendRaw(Buffer.from(raw, 'latin1'));
  expect(answer.split(' ', 2)).toEqual(['HTTP/1.1', String(status)]);
  const body: unknown = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
  expect(errorSchema.safeParse(body).error).toBeUndefined();
});

it('survives what is no HTTP', () =>
  holds(fc.uint8Array({ minLength: 1, maxLength: 100 }), 100, async (bytes) => {
    await sendRaw(bytes);
    expect((await fetch(`${fake.url}/health/live`)).status).toBe(200);
  }));

describe('with a limit of 10 MB', () => {
  let large: FakeRest;
  beforeAll(async () => {
    large = await startRestOverFake('10mb');
  });
  afterAll(() => large.app.close());

  it.each(['1', '-1', '""', '{}', '[]'])('refuses 10 MB of %s in any field, at once', async (item) => {
    const items = `[${`${item},`.repeat(9e6 / (item.length + 1))}${item}]`;
    for (const [path, name] of [
      ['/v1/completions', 'stop'],
      ['/v1/chat/completions', 'messages'],
      ['/v1/embeddings', 'input_type'],
      ['/v1/embeddings', 'input'],
      ['/v1/rerank', 'documents'],
      ['/v1/classify', 'inputs'],
      ['/v1/classify', 'input'],
      ['/v1/detokenize', 'model'],
    ] as const) {
      // token ids are what embeddings take
      if (path === '/v1/embeddings' && name === 'input' && item === '1') continue;
      const rest = JSON.stringify({ ...VALID_BODIES[path], [name]: undefined }).slice(1, -1);
      const before = process.cpuUsage();
      const response = await fetch(large.url + path, {
        method: 'POST',
        headers: JSON_TYPE,
        body: `{${rest},"${name}":${items}}`,
        signal: AbortSignal.timeout(HANGS_AFTER_MS),
      });
      expect({ path, name, status: response.status }).toEqual({ path, name, status: 400 });
      // the client's part included; of the processor, not by the clock: others may have it meanwhile
      expect(process.cpuUsage(before).user).toBeLessThan(2e6);
      await expectSane(response);
    }
  });
});
