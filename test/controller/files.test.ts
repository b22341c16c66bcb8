import { createReadStream, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileSchema } from '../../src/batch/files.schema.js';
import { BATCH_OPERATIONS } from '../../src/openapi/batch-operations.js';
import { errorSchema } from '../../src/openapi/answer-schemas.js';
import { post } from '../support/app.js';
import { startBatchDoors, type BatchDoors } from '../support/batch-doors.js';
import { until } from '../support/server.js';
import { file, PURPOSE, sendForm, upload, type Part } from '../support/upload-form.js';

let doors: BatchDoors;
beforeAll(async () => {
  doors = await startBatchDoors();
});
afterAll(() => doors.close());

/** The stored objects. */
const stored = (folder = doors.folder): string[] => readdirSync(folder).filter((name) => !isPartial(name));
const partial = (folder = doors.folder): string[] => readdirSync(folder).filter(isPartial);

function isPartial(name: string): boolean {
  return name.startsWith('.partial-');
}

it('the document of the API tells only of paths that are there', async () => {
  for (const { method, path, tag } of BATCH_OPERATIONS) {
    if (tag === 'Schedules') continue;
    const url = doors.url + path.replace('{id}', 'nobody');
    const { error } = (await (await fetch(url, { method: method.toUpperCase() })).json()) as {
      error?: { code: string };
    };
    expect({ method, path, code: error?.code }).not.toMatchObject({ code: 'not_found' });
  }
});

describe('POST /v1/files', () => {
  it('answers the file, and keeps its bytes', async () => {
    const { status, body } = await sendForm(doors.url, [PURPOSE, file('{"a": 1}\n', 'nächtlich.jsonl')]);
    expect(status).toBe(200);
    expect(fileSchema.safeParse(body).error).toBeUndefined();
    expect(body).toMatchObject({ object: 'file', bytes: 9, filename: 'nächtlich.jsonl', purpose: 'batch' });
    const { created_at, expires_at } = body as { created_at: number; expires_at: number };
    expect(expires_at - created_at).toBe(30 * 86_400);
    const content = await fetch(`${doors.url}/v1/files/${body['id'] as string}/content`);
    expect(await content.text()).toBe('{"a": 1}\n');
  });

  it('takes the purpose before and after the file, and an expiry', async () => {
    const expiry: Part[] = [
      ['expires_after[anchor]', 'created_at'],
      ['expires_after[seconds]', '3600'],
    ];
    const { status, body } = await sendForm(doors.url, [file('a'), ...expiry, PURPOSE]);
    expect(status).toBe(200);
    const { created_at, expires_at } = body as { created_at: number; expires_at: number };
    expect(expires_at - created_at).toBe(3600);
  });

  it('keeps any bytes as they are', () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (bytes) => {
        const id = await upload(doors.url, Uint8Array.from(bytes));
        const content = await fetch(`${doors.url}/v1/files/${id}/content`);
        expect(Buffer.from(await content.arrayBuffer()).equals(bytes)).toBe(true);
      }),
      { numRuns: 30 },
    ));

  it.each<[what: string, parts: Part[], code: string, param: string | null]>([
    ['no purpose', [file('a')], 'missing_required_parameter', 'purpose'],
    ['another purpose', [['purpose', 'fine-tune'], file('a')], 'invalid_value', 'purpose'],
    ['no file', [PURPOSE], 'missing_required_parameter', 'file'],
    ['a file without a name', [PURPOSE, ['file', 'a']], 'unknown_parameter', 'file'],
    ['two files', [PURPOSE, file('a'), file('b')], 'invalid_value', 'file'],
    ['a file of another name', [PURPOSE, file('a', 'a', 'upload')], 'unknown_parameter', 'upload'],
    ['an unknown field', [PURPOSE, ['color', 'red'], file('a')], 'unknown_parameter', 'color'],
    ['__proto__', [PURPOSE, ['__proto__', 'a'], file('a')], 'unknown_parameter', '__proto__'],
    [
      'half an expiry',
      [PURPOSE, ['expires_after[seconds]', '3600'], file('a')],
      'invalid_value',
      'expires_after.anchor',
    ],
    [
      'a short expiry',
      [PURPOSE, ['expires_after[anchor]', 'created_at'], ['expires_after[seconds]', '60'], file('a')],
      'invalid_value',
      'expires_after.seconds',
    ],
    [
      'many fields',
      [PURPOSE, ...Array.from({ length: 20 }, (): Part => ['a', 'b']), file('a')],
      'invalid_value',
      null,
    ],
    ['a long field', [PURPOSE, ['a', 'b'.repeat(5000)], file('a')], 'invalid_value', null],
  ])('refuses %s, and keeps nothing', async (_, parts, code, param) => {
    const before = stored();
    const { status, body } = await sendForm(doors.url, parts);
    expect({ status, ...(body['error'] as object) }).toMatchObject({ status: 400, code, param });
    await until(async () => partial().length === 0 && stored().length === before.length);
  });

  it('refuses what is no form', async () => {
    expect(await post(`${doors.url}/v1/files`, { purpose: 'batch' })).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_value', message: expect.stringContaining('multipart/form-data') } },
    });
  });

  it('refuses the forms of foreign pages', async () => {
    const before = stored().length;
    const form = new FormData();
    form.append('purpose', 'batch');
    form.append('file', new Blob(['a']), 'a.jsonl');
    const headers = { origin: 'https://elsewhere.example' };
    const response = await fetch(`${doors.url}/v1/files`, { method: 'POST', body: form, headers });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { code: 'forbidden' } });
    expect(stored()).toHaveLength(before);
  });

  it('survives forms of any kind of bytes', () =>
    fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(
          'multipart/form-data',
          'multipart/form-data; boundary=x',
          'multipart/mixed; boundary=x',
        ),
        fc.constantFrom('', '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'),
        async (bytes, type, start) => {
          const response = await fetch(`${doors.url}/v1/files`, {
            method: 'POST',
            headers: { 'content-type': type },
            body: Buffer.concat([Buffer.from(start), bytes]),
            signal: AbortSignal.timeout(5000),
          });
          expect(response.status).toBe(400);
          expect(errorSchema.safeParse(await response.json()).error).toBeUndefined();
        },
      ),
      { numRuns: 100 },
    ));

  it('has nothing left of an upload that breaks off', async () => {
    await until(async () => partial().length === 0);
    const before = stored().length;
    const socket = connect(Number(new URL(doors.url).port), '127.0.0.1');
    socket.write(
      'POST /v1/files HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n' +
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' +
        'b'.repeat(50_000),
    );
    await until(async () => partial().length === 1);
    socket.destroy();
    await until(async () => partial().length === 0);
    expect(stored()).toHaveLength(before);
  });
});

describe('limits', () => {
  it.each([
    ['told in advance', 400_000],
    ['found out on the way', 150_000],
  ])('refuses a file that is too large: %s', async (_, size) => {
    const small = await startBatchDoors({ limits: { maxFileBytes: 100_000 } });
    try {
      const { status, body } = await sendForm(small.url, [PURPOSE, file('a'.repeat(size))]);
      expect(status).toBe(413);
      expect(body).toMatchObject({ error: { code: 'file_too_large', param: 'file' } });
      expect(stored(small.folder)).toEqual([]);
      expect((await sendForm(small.url, [PURPOSE, file('a'.repeat(100_000))])).status).toBe(200);
    } finally {
      await small.close();
    }
  });

  it('refuses at once what says that it is too large', async () => {
    const socket = connect(Number(new URL(doors.url).port), '127.0.0.1');
    socket.write(
      'POST /v1/files HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n',
    );
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    await until(async () => answer.includes('file_too_large'));
    expect(answer).toContain('HTTP/1.1 413');
    socket.destroy();
  });

  it('refuses what the quota has no room for, and says what to do', async () => {
    const small = await startBatchDoors({ limits: { quotaBytes: 10_000 } });
    try {
      expect((await sendForm(small.url, [PURPOSE, file('a'.repeat(6000))])).status).toBe(200);
      const { status, body, headers } = await sendForm(small.url, [PURPOSE, file('a'.repeat(6000))]);
      expect(status).toBe(507);
      // OpenAI's clients would send it three times
      expect(headers.get('x-should-retry')).toBe('false');
      expect(body).toMatchObject({
        error: {
          code: 'storage_full',
          type: 'server_error',
          message: expect.stringContaining('DELETE /v1/files'),
        },
      });
      expect(stored(small.folder)).toHaveLength(1);
    } finally {
      await small.close();
    }
  });

  it('holds the quota against uploads that do not tell their size', async () => {
    const small = await startBatchDoors({ limits: { quotaBytes: 10_000 } });
    const path = join(small.folder, '..', 'form');
    writeFileSync(
      path,
      `--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n` +
        `--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${'b'.repeat(100_000)}\r\n--x--\r\n`,
    );
    try {
      const response = await fetch(`${small.url}/v1/files`, {
        method: 'POST',
        headers: { 'content-type': 'multipart/form-data; boundary=x' },
        body: ReadableStream.from(createReadStream(path)),
        duplex: 'half',
      });
      expect(response.status).toBe(507);
      expect(stored(small.folder)).toEqual([]);
    } finally {
      await small.close();
    }
  });
});

it('an upload over a slow line is not cut after five minutes, which is what Node does', () => {
  const { requestTimeout } = doors.app.getHttpServer() as { requestTimeout: number };
  expect(requestTimeout).toBeGreaterThanOrEqual(3_600_000);
});
