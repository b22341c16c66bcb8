import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchListSchema, batchSchema } from '../../src/batch/batches.schema.js';
import { BatchesRepository } from '../../src/batch/store/batches.repository.js';
import { FilesRepository } from '../../src/batch/store/files.repository.js';
import { errorSchema } from '../../src/openapi/answer-schemas.js';
import { get, post, type JsonAnswer } from '../support/app.js';
import { startBatchDoors, type BatchDoors } from '../support/batch-doors.js';
import { BatchStory } from '../support/batch-story.js';
import { until } from '../support/server.js';

let doors: BatchDoors;
let story: BatchStory;
beforeAll(async () => {
  doors = await startBatchDoors();
  story = new BatchStory(doors);
});
afterAll(() => doors.close());

const create = (body: object): Promise<JsonAnswer> => post(`${doors.url}/v1/batches`, body);
const valid = async () => ({
  input_file_id: await story.upload(),
  endpoint: '/v1/chat/completions',
  completion_window: '24h',
});

describe('POST /v1/batches', () => {
  it('answers the batch, and has it taken up at once', async () => {
    const body = await valid();
    const before = doors.wakes();
    const answer = await create({ ...body, metadata: { customer: 'a' } });
    expect(answer.status).toBe(200);
    expect(batchSchema.safeParse(answer.body).error).toBeUndefined();
    expect(answer.body).toMatchObject({
      ...body,
      object: 'batch',
      status: 'validating',
      errors: null,
      output_file_id: null,
      in_progress_at: null,
      request_counts: { total: 0, completed: 0, failed: 0 },
      metadata: { customer: 'a' },
      resident: {
        answered: 0,
        rate: null,
        eta_seconds: null,
        chunks: { open: 0, running: 0, done: 0 },
        input: null,
      },
    });
    expect(doors.wakes()).toBe(before + 1);
  });

  it.each([
    [undefined, '24h', 86_400],
    ['1h', '1h', 3600],
    ['7d', '7d', 7 * 86_400],
    ['30d', '30d', 30 * 86_400],
    ['720h', '720h', 30 * 86_400],
  ])('takes the completion window %s', async (completion_window, told, seconds) => {
    const { body } = await create({ ...(await valid()), completion_window });
    expect(body['completion_window']).toBe(told);
    const lasts = (body['expires_at'] as number) - (body['created_at'] as number);
    expect(Math.abs(lasts - seconds)).toBeLessThanOrEqual(1);
  });

  it('keeps how long its output is kept', async () => {
    const { body } = await create({
      ...(await valid()),
      output_expires_after: { anchor: 'created_at', seconds: 7200 },
    });
    const batch = await doors.app.get(BatchesRepository).get(body['id'] as string);
    expect(batch?.outputExpiresSeconds).toBe(7200);
  });

  it.each([
    ['no file', { input_file_id: undefined }, 400, 'missing_required_parameter', 'input_file_id'],
    ['an unknown file', { input_file_id: 'file-x' }, 404, 'file_not_found', 'input_file_id'],
    ['no endpoint', { endpoint: undefined }, 400, 'missing_required_parameter', 'endpoint'],
    ['another endpoint', { endpoint: '/v1/responses' }, 400, 'invalid_value', 'endpoint'],
    ['an endpoint of Object', { endpoint: 'constructor' }, 400, 'invalid_value', 'endpoint'],
    ['a long window', { completion_window: '31d' }, 400, 'invalid_value', 'completion_window'],
    ['no time', { completion_window: '0h' }, 400, 'invalid_value', 'completion_window'],
    ['minutes', { completion_window: '90m' }, 400, 'invalid_value', 'completion_window'],
    ['a number', { completion_window: 24 }, 400, 'invalid_value', 'completion_window'],
    ['metadata that is no text', { metadata: { a: 1 } }, 400, 'invalid_value', 'metadata.a'],
    ['long metadata', { metadata: { a: 'b'.repeat(513) } }, 400, 'invalid_value', 'metadata.a'],
    [
      'an early end of the output',
      { output_expires_after: { anchor: 'created_at', seconds: 1 } },
      400,
      'invalid_value',
      'output_expires_after.seconds',
    ],
    ['an unknown field', { color: 'red' }, 400, 'unknown_parameter', 'color'],
  ])('refuses %s', async (_, change, status, code, param) => {
    const answer = await create({ ...(await valid()), ...change });
    expect(answer).toMatchObject({ status, body: { error: { code, param } } });
  });

  it('refuses more than 16 pairs of metadata', async () => {
    const pairs = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`key${i}`, 'a']));
    const answer = await create({ ...(await valid()), metadata: pairs });
    expect(answer).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_value', param: 'metadata' } },
    });
  });

  it('refuses the output of another batch as input', async () => {
    const output = { id: 'file-output', purpose: 'batch_output', filename: 'a', bytes: 0 } as const;
    await doors.app.get(FilesRepository).insert({ ...output, createdAt: 0, expiresAt: null });
    const answer = await create({ ...(await valid()), input_file_id: 'file-output' });
    expect(answer).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_value', param: 'input_file_id' } },
    });
  });

  it('survives any JSON', () =>
    fc.assert(
      fc.asyncProperty(fc.json(), async (text) => {
        const answer = await post(`${doors.url}/v1/batches`, text);
        expect(answer.status).toBe(400);
        expect(errorSchema.safeParse(answer.body).error).toBeUndefined();
      }),
      { numRuns: 200 },
    ));
});

describe('a batch on its way', () => {
  it('tells counts, chunks and current lines live, then how it ended', async () => {
    const own = await startBatchDoors();
    const ours = new BatchStory(own);
    const see = async (id: string) => (await get(`${own.url}/v1/batches/${id}`)).body;
    try {
      const batch = await ours.create();
      await ours.begin(batch, 3);
      await ours.answer(10, 2);
      await ours.answer(4);
      expect(await see(batch.id)).toMatchObject({
        status: 'in_progress',
        request_counts: { total: 30, completed: 12, failed: 2 },
        in_progress_at: expect.any(Number),
        model: 'tales',
        usage: {
          input_tokens: 42,
          input_tokens_details: { cached_tokens: 14 },
          output_tokens: 28,
          total_tokens: 70,
        },
        resident: {
          answered: 14,
          chunks: { open: 1, running: 1, done: 1 },
          current: [
            { first_line: 11, last_line: 20, answered: 4, worker: { id: 'worker-1', host: null, pid: null } },
          ],
        },
      });
      expect(batchSchema.safeParse(await see(batch.id)).error).toBeUndefined();
      await post(`${own.url}/v1/batches/${batch.id}/cancel`, {});
      expect(await see(batch.id)).toMatchObject({ status: 'cancelling', cancelling_at: expect.any(Number) });
    } finally {
      await own.close();
    }
  });

  it('tells when it will be done, once its rate is known', async () => {
    const own = await startBatchDoors();
    const ours = new BatchStory(own);
    const see = async (id: string) => (await get(`${own.url}/v1/batches/${id}`)).body;
    const repository = own.app.get(BatchesRepository);
    try {
      const batch = await ours.create();
      await ours.begin(batch, 2);
      await repository.measureRates(0.5);
      await ours.answer(10);
      // a rate isn't measured within less than a second
      await until(async () => {
        await repository.measureRates(0.5);
        return (await repository.get(batch.id))?.rate !== null;
      });
      const { resident } = (await see(batch.id)) as { resident: { rate: number; eta_seconds: number } };
      expect(resident.rate).toBeGreaterThan(0);
      expect(resident.eta_seconds).toBeGreaterThanOrEqual(Math.floor(10 / resident.rate));
      await ours.answer(10, 0, 'moods');
      await ours.finish(batch);
      expect(await see(batch.id)).toMatchObject({
        status: 'completed',
        model: null,
        usage: { input_tokens: 60, output_tokens: 40 },
        completed_at: expect.any(Number),
        request_counts: { total: 20, completed: 20, failed: 0 },
        resident: { answered: 20, rate: null, eta_seconds: null, chunks: null, current: [] },
      });
    } finally {
      await own.close();
    }
  });

  it('tells why nothing of it was run', async () => {
    const own = await startBatchDoors();
    const ours = new BatchStory(own);
    try {
      const batch = await ours.create();
      await ours.fail(batch);
      const { body } = await get(`${own.url}/v1/batches/${batch.id}`);
      expect(batchSchema.safeParse(body).error).toBeUndefined();
      expect(body).toMatchObject({
        status: 'failed',
        errors: { object: 'list', data: [{ code: 'empty_file', message: 'The file is empty.', line: null }] },
      });
      expect(await post(`${own.url}/v1/batches/${batch.id}/cancel`, {})).toMatchObject({
        status: 409,
        body: { error: { code: 'conflict', message: expect.stringContaining('failed') } },
      });
    } finally {
      await own.close();
    }
  });
});

describe('POST /v1/batches/{id}/cancel', () => {
  it('cancels, also twice', async () => {
    const { id } = await story.create();
    const before = doors.wakes();
    for (let i = 0; i < 2; i++) {
      const answer = await post(`${doors.url}/v1/batches/${id}/cancel`, {});
      expect(answer).toMatchObject({ status: 200, body: { id, status: 'cancelling' } });
    }
    expect(doors.wakes()).toBeGreaterThan(before);
  });

  it('needs no body', async () => {
    const { id } = await story.create();
    expect((await fetch(`${doors.url}/v1/batches/${id}/cancel`, { method: 'POST' })).status).toBe(200);
  });

  it('of nobody is a 404', async () => {
    for (const answer of [
      await post(`${doors.url}/v1/batches/batch_x/cancel`, {}),
      await get(`${doors.url}/v1/batches/batch_x`),
    ])
      expect(answer).toMatchObject({ status: 404, body: { error: { code: 'batch_not_found' } } });
  });
});

describe('GET /v1/batches', () => {
  it('lists the newest first, page by page', async () => {
    const own = await startBatchDoors();
    const ours = new BatchStory(own);
    try {
      const made: string[] = [];
      for (let i = 0; i < 5; i++) made.unshift((await ours.create()).id);
      const page = async (query: string) => (await get(`${own.url}/v1/batches?${query}`)).body;
      const first = await page('limit=2');
      expect(batchListSchema.safeParse(first).error).toBeUndefined();
      expect(first).toMatchObject({ has_more: true, first_id: made[0], last_id: made[1] });
      expect(await page(`limit=2&after=${made[1]}`)).toMatchObject({ has_more: true, first_id: made[2] });
      expect(await page(`limit=2&after=${made[3]}`)).toMatchObject({ has_more: false, last_id: made[4] });
      expect(await page(`after=${made[4]}`)).toEqual({
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
    ['limit=101', 'invalid_value', 'limit'],
    ['order=asc', 'unknown_parameter', 'order'],
  ])('refuses ?%s', async (query, code, param) => {
    expect(await get(`${doors.url}/v1/batches?${query}`)).toMatchObject({
      status: 400,
      body: { error: { code, param } },
    });
  });
});
