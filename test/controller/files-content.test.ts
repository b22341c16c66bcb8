import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoredFile } from '../../src/batch/batch-types.js';
import { BatchesService } from '../../src/batch/batches.service.js';
import { fileDeletedSchema, fileListSchema } from '../../src/batch/files.schema.js';
import { FilesService } from '../../src/batch/files.service.js';
import { FilesRepository } from '../../src/batch/store/files.repository.js';
import { get, type JsonAnswer } from '../support/app.js';
import { startBatchDoors, type BatchDoors } from '../support/batch-doors.js';
import { upload } from '../support/upload-form.js';

let doors: BatchDoors;
beforeAll(async () => {
  doors = await startBatchDoors();
});
afterAll(() => doors.close());

const stored = (): string[] => readdirSync(doors.folder);

describe('GET /v1/files', () => {
  it('lists page by page, in both orders, and only those of a purpose', async () => {
    const own = await startBatchDoors();
    try {
      const repository = own.app.get(FilesRepository);
      for (let i = 0; i < 7; i++) await repository.insert(known(i));
      const page = (query: string) => get(`${own.url}/v1/files?${query}`);
      const ids = ({ body }: JsonAnswer) => (body['data'] as { id: string }[]).map(({ id }) => id);
      const first = await page('limit=3');
      expect(fileListSchema.safeParse(first.body).error).toBeUndefined();
      expect(first.body).toMatchObject({ has_more: true, first_id: 'file-6', last_id: 'file-4' });
      expect(ids(await page('limit=3&after=file-4'))).toEqual(['file-3', 'file-2', 'file-1']);
      const last = await page('limit=3&after=file-1');
      expect([ids(last), last.body['has_more']]).toEqual([['file-0'], false]);
      expect(ids(await page('order=asc&limit=2&after=file-1'))).toEqual(['file-2', 'file-3']);
      expect(ids(await page('purpose=batch_output'))).toEqual(['file-5', 'file-3', 'file-1']);
      expect((await page('purpose=fine-tune')).body).toEqual({
        object: 'list',
        data: [],
        first_id: null,
        last_id: null,
        has_more: false,
      });
    } finally {
      await own.close();
    }
  });

  it.each([
    ['after=nobody', 'invalid_value', 'after'],
    ['limit=0', 'invalid_value', 'limit'],
    ['limit=10001', 'invalid_value', 'limit'],
    ['limit=many', 'invalid_value', 'limit'],
    ['order=up', 'invalid_value', 'order'],
    ['color=red', 'unknown_parameter', 'color'],
  ])('refuses ?%s', async (query, code, param) => {
    expect(await get(`${doors.url}/v1/files?${query}`)).toMatchObject({
      status: 400,
      body: { error: { code, param } },
    });
  });
});

describe('one file', () => {
  it('is told, and gone once it is deleted', async () => {
    const id = await upload(doors.url, 'abc');
    expect((await get(`${doors.url}/v1/files/${id}`)).body).toMatchObject({ id, bytes: 3 });
    const before = stored().length;
    const answer = await (await fetch(`${doors.url}/v1/files/${id}`, { method: 'DELETE' })).json();
    expect(fileDeletedSchema.parse(answer)).toEqual({ id, object: 'file', deleted: true });
    expect(stored()).toHaveLength(before - 1);
    for (const path of [id, `${id}/content`])
      expect(await get(`${doors.url}/v1/files/${path}`)).toMatchObject({
        status: 404,
        body: { error: { code: 'file_not_found' } },
      });
    expect((await fetch(`${doors.url}/v1/files/${id}`, { method: 'DELETE' })).status).toBe(404);
  });

  it('is not deleted while a batch reads it', async () => {
    const id = await upload(doors.url, '{}');
    const batches = doors.app.get(BatchesService);
    const batch = await batches.create({ endpoint: '/v1/completions', inputFileId: id });
    const answer = await fetch(`${doors.url}/v1/files/${id}`, { method: 'DELETE' });
    expect(answer.status).toBe(409);
    expect(await answer.json()).toMatchObject({ error: { code: 'conflict' } });
    await batches.cancel(batch.id);
    expect((await fetch(`${doors.url}/v1/files/${id}`, { method: 'DELETE' })).status).toBe(409);
  });

  it.each(['..%2Ftest.db', '%2e%2e%2f%2e%2e%2fetc%2fpasswd', 'file-x', '.partial-1'])(
    'is not %s',
    async (id) => {
      expect((await get(`${doors.url}/v1/files/${id}/content`)).status).toBe(404);
    },
  );
});

describe('GET /v1/files/{id}/content', () => {
  it('sends the bytes with their length and name', async () => {
    const id = await upload(doors.url, '0123456789', 'a "b".jsonl');
    const response = await fetch(`${doors.url}/v1/files/${id}/content`);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-length': '10',
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment; filename="a \\"b\\".jsonl"',
      'accept-ranges': 'bytes',
    });
    expect(await response.text()).toBe('0123456789');
  });

  it.each([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=5-100', 206, '56789', 'bytes 5-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['bytes=0-1,5-6', 200, '0123456789', null],
    ['lines=1-2', 200, '0123456789', null],
    ['nonsense', 200, '0123456789', null],
  ])('of range %s', async (range, status, text, told) => {
    const id = await upload(doors.url, '0123456789');
    const response = await fetch(`${doors.url}/v1/files/${id}/content`, { headers: { range } });
    expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([
      status,
      text,
      told,
    ]);
  });

  it('tells HEAD the length, and sends nothing', async () => {
    const id = await upload(doors.url, '0123456789');
    const response = await fetch(`${doors.url}/v1/files/${id}/content`, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([
      200,
      '10',
      '',
    ]);
  });

  it('is a 404 where only the content is gone', async () => {
    const id = await upload(doors.url, 'a');
    await doors.app.get(FilesService).discard(id);
    expect((await get(`${doors.url}/v1/files/${id}/content`)).status).toBe(404);
  });
});

function known(i: number): StoredFile {
  const purpose = i % 2 === 0 ? 'batch' : 'batch_output';
  // some of one millisecond
  return {
    id: `file-${i}`,
    purpose,
    filename: 'a',
    bytes: 1,
    createdAt: 1000 + Math.floor(i / 3),
    expiresAt: null,
  };
}
