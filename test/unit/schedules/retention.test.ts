import { Logger } from '@nestjs/common';
import * as fc from 'fast-check';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BatchLimits } from '../../../src/batch/batch-options.interface.js';
import type { BatchStatus } from '../../../src/batch/batch-types.js';
import { expiryOf } from '../../../src/batch/retention/expiry.js';
import { RetentionRepository } from '../../../src/batch/retention/retention.repository.js';
import { RetentionTask } from '../../../src/batch/retention/retention.task.js';
import { Database } from '../../../src/storage/database.js';
import { migrate } from '../../../src/storage/migrate.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { describeOnBoth } from './databases.js';
import { daily, LIMITS, scheduleServer, type ScheduleServer } from './server.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.parse('2026-01-02T03:00:00Z');

beforeEach(() => {
  Logger.overrideLogger(false);
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
});

function retentionOf(
  { store, batchRows, deliveries, database, options }: ScheduleServer,
  limits: Partial<BatchLimits> = {},
): RetentionTask {
  const changed = { ...options, limits: { ...options.limits, ...limits } };
  return new RetentionTask(store, batchRows, deliveries, new RetentionRepository(database), changed);
}

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

const upload = async ({ files }: ScheduleServer, expiresAfterSeconds?: number): Promise<string> =>
  (await files.upload({ filename: 'a.jsonl', purpose: 'batch', expiresAfterSeconds, source: bytes('{}\n') }))
    .id;

function contents({ options }: ScheduleServer): string[] {
  return readdirSync(options.files).toSorted();
}

/** An object in the folder of the files, last written to this long ago. */
function leave({ options }: ScheduleServer, name: string, age: number): void {
  const path = join(options.files, name);
  writeFileSync(path, 'x');
  utimesSync(path, new Date(NOW - age), new Date(NOW - age));
}

describeOnBoth('retention', (fresh) => {
  const server = async (): Promise<ScheduleServer> => {
    const [database] = await fresh(1);
    if (!database) throw new Error('no database');
    return scheduleServer(database, temporaryFolder());
  };

  it('removes files whose time is over, and keeps the others', async () => {
    const one = await server();
    const short = await upload(one, 3600);
    const long = await upload(one);
    vi.setSystemTime(NOW + HOUR + 1);
    expect(await retentionOf(one).removeOld()).toEqual({ files: 1, batches: 0, orphans: 0 });
    expect(contents(one)).toEqual([long]);
    await expect(one.files.get(short)).rejects.toMatchObject({ code: 'file_not_found' });
    vi.setSystemTime(NOW + 31 * DAY);
    expect(await retentionOf(one).removeOld()).toMatchObject({ files: 1 });
    expect(contents(one)).toEqual([]);
  });

  it('keeps what an unfinished batch reads and what a schedule names, until they do not any more', async () => {
    const one = await server();
    const [read, scheduled] = [await upload(one, 3600), await upload(one, 3600)];
    await one.batches.create({ endpoint: '/v1/completions', inputFileId: read, expiresAt: null });
    await one.service.create(daily({ source: { kind: 'file', fileId: scheduled } }));
    vi.setSystemTime(NOW + 2 * DAY);
    expect(await retentionOf(one).removeOld()).toMatchObject({ files: 0 });
    expect(contents(one)).toEqual([read, scheduled].toSorted());
    await one.finishBatches();
    await one.service.delete('night');
    expect(await retentionOf(one).removeOld()).toMatchObject({ files: 2 });
    expect(contents(one)).toEqual([]);
  });

  it('removes objects that belong to nothing, once they are old enough', async () => {
    const one = await server();
    const kept = await upload(one);
    const input = await upload(one);
    const { id } = await one.batches.create({
      endpoint: '/v1/completions',
      inputFileId: input,
      expiresAt: null,
    });
    for (const name of [kept, input, `${id}.input`, 'file-orphan', '.partial-1', 'batch_gone.input'])
      leave(one, name, 2 * HOUR);
    for (const name of ['file-coming', '.partial-2']) leave(one, name, HOUR / 2);
    expect(await retentionOf(one).removeOld()).toEqual({ files: 0, batches: 0, orphans: 3 });
    expect(contents(one)).toEqual([kept, input, `${id}.input`, 'file-coming', '.partial-2'].toSorted());
  });

  it('forgets batches that ended long ago, with any ending, and no others', async () => {
    const one = await server();
    const made: string[] = [];
    const end = async (status: BatchStatus, endedAt: number, purged: 0 | 1): Promise<void> => {
      const { id } = await one.batches.create({
        endpoint: '/v1/completions',
        inputFileId: await upload(one),
        expiresAt: null,
      });
      made.push(id);
      await one.database.db
        .updateTable('batches')
        .set({ status, [`${status}_at`]: endedAt, purged, completed: 0, failed: 0 })
        .where('id', '=', id)
        .execute();
    };
    for (const status of ['completed', 'failed', 'expired', 'cancelled'] as const)
      await end(status, NOW - 91 * DAY, 1);
    await end('completed', NOW - 89 * DAY, 1);
    await end('completed', NOW - 91 * DAY, 0); // its results are still there
    await one.batches.create({
      endpoint: '/v1/completions',
      inputFileId: await upload(one),
      expiresAt: null,
    });
    expect(await retentionOf(one, { batchDays: null }).removeOld()).toMatchObject({ batches: 0 });
    expect(await retentionOf(one).removeOld()).toMatchObject({ batches: 4 });
    const { batches } = await one.batches.list({ limit: 100 });
    expect(
      batches
        .map(({ id }) => id)
        .slice(1)
        .toSorted(),
    ).toEqual(made.slice(4).toSorted());
  });

  it('by several servers at once removes everything once', async () => {
    const databases = await fresh(3);
    const folder = temporaryFolder();
    const all = await Promise.all(databases.map((database) => scheduleServer(database, folder)));
    const [first] = all as [ScheduleServer];
    for (let i = 0; i < 30; i++) await upload(first, 3600);
    vi.setSystemTime(NOW + 2 * HOUR);
    const removed = await Promise.all(all.map((one) => retentionOf(one).removeOld()));
    expect(removed.reduce((sum, { files }) => sum + files, 0)).toBe(30);
    expect(contents(first)).toEqual([]);
  });
});

it('whatever there is: what is listed or needed stays, whoever looks and whenever', async () => {
  const state = fc.record({
    age: fc.integer({ min: 0, max: 60 }),
    expires: fc.option(fc.integer({ min: 1, max: 30 })),
    use: fc.constantFrom('none', 'unfinished', 'finished', 'scheduled'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(state, { maxLength: 12 }), async (states) => {
      const folder = temporaryFolder();
      const database = await Database.open({ engine: 'sqlite', path: join(folder, 'test.db') });
      await migrate(database);
      const one = await scheduleServer(database, folder);
      const kept: string[] = [];
      for (const [i, { age, expires, use }] of states.entries()) {
        vi.setSystemTime(NOW - age * DAY);
        const id = await upload(one, expires === null ? undefined : expires * 86_400);
        if (use === 'scheduled')
          await one.service.create(daily({ name: `${i}`, source: { kind: 'file', fileId: id } }));
        if (use === 'unfinished' || use === 'finished') {
          const batch = await one.batches.create({
            endpoint: '/v1/completions',
            inputFileId: id,
            expiresAt: null,
          });
          if (use === 'finished')
            await database.db
              .updateTable('batches')
              .set({ status: 'completed' })
              .where('id', '=', batch.id)
              .execute();
        }
        const isOver = age > (expires ?? LIMITS.fileDays ?? Infinity);
        if (!isOver || use === 'unfinished' || use === 'scheduled') kept.push(id);
        leave(one, id, 2 * HOUR);
      }
      vi.setSystemTime(NOW);
      await retentionOf(one).removeOld();
      expect(contents(one)).toEqual(kept.toSorted());
      for (const id of kept) expect(await one.files.get(id)).toMatchObject({ id });
      await database.close();
    }),
    { numRuns: 20 },
  );
});

describe('the time of a file', () => {
  it('is what was asked for, else that of the configuration, else none', () => {
    expect(expiryOf(1000, 60, { fileDays: 30 })).toBe(61_000);
    expect(expiryOf(1000, null, { fileDays: 30 })).toBe(1000 + 30 * DAY);
    expect(expiryOf(1000, null, { fileDays: null })).toBeNull();
  });
});

it('a store that can not be listed is told, and stops nothing', async () => {
  const folder = temporaryFolder();
  const database = await Database.open({ engine: 'sqlite', path: join(folder, 'test.db') });
  await migrate(database);
  const one = await scheduleServer(database, folder);
  vi.spyOn(one.store, 'list').mockImplementation(() => {
    throw new Error('gone');
  });
  await expect(retentionOf(one).tick()).resolves.toBeUndefined();
  expect(existsSync(one.options.files)).toBe(true);
  await database.close();
});
