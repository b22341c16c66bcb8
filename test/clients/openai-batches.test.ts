import OpenAI, { APIError, BadRequestError, ConflictError, NotFoundError, toFile } from 'openai';
import type { Batch } from 'openai/resources/batches';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, testConfig, type TestApp } from '../support/app.js';
import { until } from '../support/server.js';

/** The official client, unmodified, over the real application and the embedded model. */
let server: TestApp;
let client: OpenAI;
let folder: string;
beforeAll(async () => {
  const config = testConfig();
  server = await startApp({ ...config, batch: { ...config.batch, maxFileSize: 2 ** 20 } });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  folder = mkdtempSync(join(tmpdir(), 'resident-client-'));
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

interface OutputLine {
  readonly id: string;
  readonly custom_id: string | null;
  readonly response: {
    readonly status_code: number;
    readonly request_id: string;
    readonly body: {
      readonly choices?: readonly [
        { readonly text?: string; readonly message?: { readonly content: string } },
      ];
      readonly error?: { readonly code: string };
    };
  } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

const CHAT = '/v1/chat/completions';
const PROMPTS = [
  'Once upon a time',
  'The old king said',
  'A fox and a crow',
  'In the wood',
  'One day',
  'The sea',
];

function chatLine(custom_id: string, content: string, fields = {}): object {
  const messages = [{ role: 'user', content }];
  const body = { model: 'tales', messages, temperature: 0, max_tokens: 8, ...fields };
  return { custom_id, method: 'POST', url: CHAT, body };
}

async function upload(lines: readonly (object | string)[], name = 'lines.jsonl'): Promise<string> {
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const { id } = await client.files.create({ file: await toFile(Buffer.from(text), name), purpose: 'batch' });
  return id;
}

/** Polls as users do. */
async function ended(id: string): Promise<Batch> {
  let batch = await client.batches.retrieve(id);
  await until(async () => {
    batch = await client.batches.retrieve(id);
    return !['validating', 'in_progress', 'finalizing', 'cancelling'].includes(batch.status);
  });
  return batch;
}

async function run(input_file_id: string, endpoint = CHAT): Promise<Batch> {
  const { id } = await client.batches.create({
    input_file_id,
    endpoint: endpoint as '/v1/chat/completions',
    completion_window: '24h',
  });
  return ended(id);
}

async function download(id: string | null | undefined): Promise<OutputLine[]> {
  const text = await (await client.files.content(id ?? '')).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OutputLine);
}

it('uploads, creates, polls and downloads: every line answered as a single call is', async () => {
  const path = join(folder, 'night.jsonl');
  const lines = PROMPTS.map((prompt, i) => chatLine(`line-${i}`, prompt));
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const file = await client.files.create({ file: createReadStream(path), purpose: 'batch' });
  expect(file).toMatchObject({
    object: 'file',
    filename: 'night.jsonl',
    purpose: 'batch',
    status: 'processed',
  });
  const created = await client.batches.create({
    input_file_id: file.id,
    endpoint: CHAT,
    completion_window: '24h',
    metadata: { night: '1' },
  });
  expect(created).toMatchObject({ object: 'batch', input_file_id: file.id, metadata: { night: '1' } });
  const batch = await ended(created.id);
  expect(batch).toMatchObject({
    status: 'completed',
    request_counts: { total: 6, completed: 6, failed: 0 },
    error_file_id: null,
    errors: null,
    model: 'tales',
    usage: { output_tokens: 48, output_tokens_details: { reasoning_tokens: 0 } },
  });
  const { input_tokens = 0, total_tokens = 0 } = batch.usage ?? {};
  expect(total_tokens - input_tokens).toBe(48);
  for (const time of ['created_at', 'in_progress_at', 'finalizing_at', 'completed_at'] as const)
    expect(Math.abs((batch[time] ?? 0) - Date.now() / 1000)).toBeLessThan(120);
  const output = await download(batch.output_file_id);
  expect(output.map(({ custom_id }) => custom_id)).toEqual(PROMPTS.map((_, i) => `line-${i}`));
  for (const [i, { response, error }] of output.entries()) {
    const single = await client.chat.completions.create({
      model: 'tales',
      messages: [{ role: 'user', content: PROMPTS[i] ?? '' }],
      temperature: 0,
      max_tokens: 8,
    });
    expect(error).toBeNull();
    expect(response?.status_code).toBe(200);
    expect(response?.body.choices?.[0].message?.content).toBe(single.choices[0]?.message.content);
  }
  expect(await client.files.retrieve(batch.output_file_id ?? '')).toMatchObject({ purpose: 'batch_output' });
});

it('runs completions, compressed', async () => {
  const body = { model: 'tales', prompt: PROMPTS[0], temperature: 0, max_tokens: 8 };
  const line = { custom_id: 'a', method: 'POST', url: '/v1/completions', body };
  const file = await toFile(gzipSync(JSON.stringify(line)), 'lines.jsonl.gz');
  const { id } = await client.files.create({ file, purpose: 'batch' });
  const [answer] = await download((await run(id, '/v1/completions')).output_file_id);
  const single = await client.completions.create({ ...body, prompt: 'Once upon a time' });
  expect(answer?.response?.body.choices?.[0].text).toBe(single.choices[0]?.text);
});

it('tells what is wrong with a line in the error file, and answers the others', async () => {
  const id = await upload([
    chatLine('a', 'One day'),
    '{"custom_id": "b",',
    chatLine('a', 'The same id'),
    chatLine('d', 'x', { model: 'nobody' }),
    chatLine('e', 'x', { max_token: 3 }),
    { ...chatLine('f', 'x'), url: '/v1/completions' },
    { ...chatLine('g', 'x'), method: 'GET' },
    chatLine('h', 'x', { stream: true }),
    { method: 'POST', url: CHAT, body: {} },
    chatLine('j', 'One day'),
  ]);
  const batch = await run(id);
  expect(batch).toMatchObject({
    status: 'completed',
    request_counts: { total: 10, completed: 2, failed: 8 },
  });
  expect((await download(batch.output_file_id)).map(({ custom_id }) => custom_id)).toEqual(['a', 'j']);
  const failures = await download(batch.error_file_id);
  const told = failures.map(({ custom_id, response, error }) => [
    custom_id,
    error?.code ?? response?.body.error?.code,
  ]);
  expect(told).toEqual([
    [null, 'invalid_json'],
    ['a', 'duplicate_custom_id'],
    ['d', 'model_not_found'],
    ['e', 'unknown_parameter'],
    ['f', 'mismatched_url'],
    ['g', 'invalid_value'],
    ['h', 'invalid_value'],
    [null, 'missing_required_parameter'],
  ]);
});

it('tells why a whole batch failed', async () => {
  const batch = await run(await upload(['']));
  expect(batch).toMatchObject({
    status: 'failed',
    errors: { object: 'list', data: [{ code: 'empty_file' }] },
    output_file_id: null,
  });
});

it('cancels: what is answered is delivered, the rest is not', async () => {
  const long = { max_tokens: 200, min_tokens: 200 };
  const lines = Array.from({ length: 300 }, (_, i) => chatLine(`line-${i}`, PROMPTS[i % 6] ?? '', long));
  const { id } = await client.batches.create({
    input_file_id: await upload(lines),
    endpoint: CHAT,
    completion_window: '1h' as '24h',
  });
  await until(async () => (await client.batches.retrieve(id)).status === 'in_progress');
  expect(['cancelling', 'cancelled']).toContain((await client.batches.cancel(id)).status);
  const batch = await ended(id);
  expect(batch.status).toBe('cancelled');
  const { total = 0, completed = 0, failed = 0 } = batch.request_counts ?? {};
  expect(total).toBe(300);
  expect(completed + failed).toBeLessThan(300);
  const output = batch.output_file_id ? await download(batch.output_file_id) : [];
  expect(output).toHaveLength(completed);
});

describe('lists', () => {
  it('go on by themselves', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.unshift(await upload([''], `list-${i}.jsonl`));
    const files: string[] = [];
    for await (const { id } of client.files.list({ limit: 2, purpose: 'batch' })) files.push(id);
    expect(files.slice(0, 5)).toEqual(made);
    expect(new Set(files).size).toBe(files.length);
    const batches: string[] = [];
    for await (const { id } of client.batches.list({ limit: 2 })) batches.push(id);
    expect(batches.length).toBeGreaterThan(3);
    expect(new Set(batches).size).toBe(batches.length);
    const oldest = await client.files.list({ order: 'asc', limit: 1 });
    expect(oldest.data[0]?.id).toBe(files.at(-1));
  });
});

describe('files', () => {
  it('expire when they are told to, and are deleted', async () => {
    const file = await client.files.create({
      file: await toFile(Buffer.from('{}'), 'a.jsonl'),
      purpose: 'batch',
      expires_after: { anchor: 'created_at', seconds: 3600 },
    });
    expect((file.expires_at ?? 0) - file.created_at).toBe(3600);
    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
    await expect(client.files.retrieve(file.id)).rejects.toBeInstanceOf(NotFoundError);
  });
});

describe('what is refused is a typed error', () => {
  it.each([
    [
      'a purpose',
      () => client.files.create({ file: new File(['a'], 'a'), purpose: 'vision' }),
      BadRequestError,
      400,
    ],
    [
      'a large file',
      () => client.files.create({ file: new File(['a'.repeat(2 ** 20 + 1)], 'a'), purpose: 'batch' }),
      APIError,
      413,
    ],
    ['no such file', () => client.files.content('file-x'), NotFoundError, 404],
    ['no such batch', () => client.batches.retrieve('batch_x'), NotFoundError, 404],
    [
      'no such input',
      () => client.batches.create({ input_file_id: 'file-x', endpoint: CHAT, completion_window: '24h' }),
      NotFoundError,
      404,
    ],
    [
      'an endpoint',
      () =>
        client.batches.create({
          input_file_id: 'file-x',
          endpoint: '/v1/responses',
          completion_window: '24h',
        }),
      BadRequestError,
      400,
    ],
  ])('%s', async (_, call, kind, status) => {
    const error: unknown = await call().catch((refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ status, code: expect.any(String) });
  });

  it('a batch that has ended is not cancelled', async () => {
    const batch = await run(await upload(['']));
    await expect(client.batches.cancel(batch.id)).rejects.toBeInstanceOf(ConflictError);
  });
});
