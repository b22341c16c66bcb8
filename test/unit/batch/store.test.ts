import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { ChunkRange, LineResult } from '../../../src/batch/batch-types.js';
import { BatchesRepository } from '../../../src/batch/store/batches.repository.js';
import { ChunksRepository } from '../../../src/batch/store/chunks.repository.js';
import { ResultsRepository } from '../../../src/batch/store/results.repository.js';
import { StagesRepository } from '../../../src/batch/store/stages.repository.js';
import { Database } from '../../../src/storage/database.js';
import { migrate } from '../../../src/storage/migrate.js';
import { describeDatabases } from './helpers/databases.js';
import { batchOf } from './helpers/test-worker.js';

const A = { owner: 'a', milliseconds: 5000 };
const B = { owner: 'b', milliseconds: 5000 };

/** Chunks of two lines. */
const chunksOf = (count: number): ChunkRange[] =>
  Array.from({ length: count }, (_, number) => ({
    number,
    firstLine: 2 * number + 1,
    lines: 2,
    byteStart: 20 * number,
    byteLength: 20,
    rejected: 0,
  }));
const answer = (line: number, body = 'a'): LineResult => ({ line, failed: false, body });
const failure = (line: number): LineResult => ({ line, failed: true, body: 'f' });

/** Leases run out without anybody waiting. */
function pass(milliseconds: number): void {
  if (!vi.isFakeTimers()) vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime(Date.now() + milliseconds);
}

describeDatabases('the tables of batches', (databases) => {
  let database: Database;
  let batches: BatchesRepository;
  let stages: StagesRepository;
  let chunks: ChunksRepository;
  let results: ResultsRepository;
  beforeAll(async () => {
    database = await databases.open();
    batches = new BatchesRepository(database);
    stages = new StagesRepository(database);
    chunks = new ChunksRepository(database);
    results = new ResultsRepository(database);
  });
  afterEach(async () => {
    vi.useRealTimers();
    await database.db.deleteFrom('results').execute();
    await database.db.deleteFrom('chunks').execute();
    await database.db.deleteFrom('batches').execute();
  });

  /** A batch that runs, with so many chunks. */
  const running = async (count: number) => {
    const { seq, id } = await batches.create(batchOf('file-1'));
    await stages.claimStage(A);
    expect(await stages.begin(seq, 'a', chunksOf(count), null)).toBe(true);
    return { seq, id };
  };

  it('are made once, whichever processes start at the same time', async () => {
    const location = await databases.location();
    const script = fileURLToPath(new URL('./helpers/migrate-process.ts', import.meta.url));
    const processes = [0, 1, 2].map(() =>
      fork(script, [JSON.stringify(location)], { stdio: 'inherit', execArgv: ['--import', 'tsx'] }),
    );
    const exits = await Promise.all(processes.map((child) => once(child, 'exit')));
    expect(exits.map(([code]) => code as number)).toEqual([0, 0, 0]);
    const made = await Database.open(location);
    await migrate(made);
    const repository = new BatchesRepository(made);
    const created = await repository.create(batchOf('file-1'));
    expect(await repository.get(created.id)).toEqual(created);
    await made.close();
  });

  it('refuse those of a newer version', async () => {
    const newer = await databases.open();
    await newer.db
      .insertInto('resident_migrations' as never)
      .values({ name: '9999-future', timestamp: 'now' })
      .execute();
    await expect(migrate(newer)).rejects.toThrow(/can't be brought up to date/);
  });

  it('give each stage to one worker, until its lease runs out', async () => {
    const { seq } = await batches.create(batchOf('file-1'));
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, i) => stages.claimStage({ ...A, owner: `w${i}` })),
    );
    expect(claims.filter((claim) => claim?.seq === seq)).toHaveLength(1);
    expect(claims.filter((claim) => claim === undefined)).toHaveLength(9);
    pass(5001);
    expect(await stages.claimStage(B)).toMatchObject({ seq });
    expect(await stages.renewStage(seq, A)).toBeUndefined();
    expect(await stages.renewStage(seq, B)).toBe('validating');
    await stages.releaseStage(seq, 'b');
    expect(await stages.claimStage(A)).toMatchObject({ seq });
  });

  it('take nothing from a worker that lost its stage', async () => {
    const { seq, id } = await batches.create(batchOf('file-1'));
    await stages.claimStage(A);
    pass(5001);
    await stages.claimStage(B);
    expect(await stages.reject(seq, A, [failure(1)])).toBeUndefined();
    expect(await stages.begin(seq, 'a', chunksOf(1), null)).toBe(false);
    expect(await stages.fail(seq, 'a', [])).toBe(false);
    const counts = { total: 1, completed: 1, failed: 0 };
    expect(await stages.finish({ seq, ending: 'completed' }, 'a', { counts })).toBe(false);
    await stages.restart(seq, 'a', 'other');
    await stages.reopen(seq, 'a');
    expect(await batches.get(id)).toMatchObject({ status: 'validating', counts: { total: 0 } });
    expect((await results.answeredLines(seq, 1, 9)).size).toBe(0);
    expect(await chunks.claimable(9)).toEqual([]);
    expect(await stages.begin(seq, 'b', chunksOf(1), null)).toBe(true);
  });

  it('give each chunk to one worker, of many that ask at once, the oldest batch first', async () => {
    const first = await running(12);
    const second = await running(12);
    const claimed: string[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const lease = { owner: `w${i}`, milliseconds: 5000 };
        for (let chunk = await chunks.claim(lease); chunk; chunk = await chunks.claim(lease))
          claimed.push(`${chunk.batch}/${chunk.number}`);
      }),
    );
    const all = [first, second].flatMap(({ seq }) => chunksOf(12).map(({ number }) => `${seq}/${number}`));
    expect(claimed.toSorted()).toEqual(all.toSorted());
    expect(claimed.slice(0, 6).every((name) => name.startsWith(`${first.seq}/`))).toBe(true);
  });

  it('give out a chunk by its key, and others than those of some batches', async () => {
    const first = await running(2);
    const second = await running(1);
    const key = { batch: first.seq, number: 1 };
    expect(await chunks.claim(A, key)).toMatchObject({ ...key, firstLine: 3, lines: 2, attempts: 1 });
    expect(await chunks.claim(B, key)).toBeUndefined();
    expect(await chunks.claim(B, { except: [first.seq] })).toMatchObject({ batch: second.seq });
    expect(await chunks.claim(B, { except: [first.seq] })).toBeUndefined();
    expect(await chunks.claimable(9)).toMatchObject([{ batch: first.seq, number: 0 }]);
    await chunks.release(key, 'b');
    expect(await chunks.claim(B, key)).toBeUndefined();
    await chunks.release(key, 'a');
    expect(await chunks.claim(B, key)).toMatchObject({ attempts: 2 });
  });

  it('take results from whoever holds the chunk, and from nobody else', async () => {
    const { seq, id } = await running(1);
    const key = { batch: seq, number: 0 };
    await chunks.claim(A);
    expect(await chunks.record(key, A, [answer(1, 'first')], false)).toBe('held');
    pass(5001);
    expect(await chunks.claim(B)).toMatchObject({ ...key, attempts: 2 });
    expect(await chunks.record(key, A, [answer(2, 'late')], true)).toBe('lost');
    expect(await chunks.renew(key, A)).toBe('lost');
    expect(await results.answeredLines(seq, 1, 2)).toEqual(new Set([1]));
    expect(await chunks.record(key, B, [answer(1, 'again'), failure(2)], true)).toBe('held');
    expect(await results.page(seq, { after: 0, lines: 9, limit: 9 })).toEqual([
      answer(1, 'first'),
      failure(2),
    ]);
    expect(await batches.get(id)).toMatchObject({ counts: { total: 2, completed: 1, failed: 1 } });
    expect(await chunks.record(key, B, [answer(2)], true)).toBe('lost');
  });

  it('write what is answered of a batch that was cancelled, and stop its workers', async () => {
    const { seq, id } = await running(2);
    const key = { batch: seq, number: 0 };
    await chunks.claim(A);
    expect(await batches.cancel(id)).toMatchObject({ status: 'cancelling', ending: 'cancelled' });
    expect(await chunks.claim(B)).toBeUndefined();
    expect(await stages.claimStage(B)).toBeUndefined(); // somebody is at it
    expect(await chunks.record(key, A, [answer(1)], false)).toBe('stopped');
    expect(await chunks.renew(key, A)).toBe('stopped');
    await chunks.release(key, 'a');
    expect(await stages.claimStage(B)).toMatchObject({ seq, counts: { completed: 1 } });
    expect(await batches.cancel('batch_none')).toBeUndefined();
  });

  it('end runs when the last chunk is done, or their time is over', async () => {
    const { seq, id } = await running(2);
    const late = await batches.create(batchOf('file-2', { expiresAt: Date.now() + 1000 }));
    expect(await batches.endRuns()).toBe(0);
    for (const number of [0, 1]) {
      await chunks.claim(A, { batch: seq, number });
      await chunks.record({ batch: seq, number }, A, [answer(2 * number + 1), answer(2 * number + 2)], true);
    }
    expect(await batches.endRuns()).toBe(1);
    expect(await batches.get(id)).toMatchObject({ status: 'finalizing', ending: 'completed' });
    pass(1001);
    expect(await batches.endRuns()).toBe(1);
    expect(await batches.get(late.id)).toMatchObject({ status: 'finalizing', ending: 'expired' });
  });

  it('finish a batch with its files, all at once', async () => {
    const { seq, id } = await running(1);
    await batches.endRunEarly(seq);
    await stages.claimStage(A);
    const output = {
      id: 'file-out',
      purpose: 'batch_output',
      filename: 'out',
      bytes: 2,
      createdAt: 1,
    } as const;
    const counts = { total: 2, completed: 2, failed: 0 };
    const file = { ...output, expiresAt: null };
    expect(await stages.finish({ seq, ending: 'completed' }, 'a', { counts, output: file })).toBe(true);
    expect(await batches.get(id)).toMatchObject({ status: 'completed', outputFileId: 'file-out', counts });
    const files = await database.db.selectFrom('files').selectAll().execute();
    expect(files).toMatchObject([{ id: 'file-out', bytes: 2 }]);
    await database.db.deleteFrom('files').execute();
  });

  it('open again what was ended too early, chunk by chunk', async () => {
    const { seq, id } = await running(3);
    await chunks.claim(A, { batch: seq, number: 0 });
    await chunks.record({ batch: seq, number: 0 }, A, [answer(1), answer(2)], true);
    await chunks.claim(A, { batch: seq, number: 1 });
    await chunks.record({ batch: seq, number: 1 }, A, [answer(3)], false);
    await chunks.release({ batch: seq, number: 1 }, 'a');
    await batches.endRunEarly(seq);
    await stages.claimStage(A);
    expect(await chunks.unanswered(seq)).toMatchObject([{ number: 1 }, { number: 2 }]);
    await stages.reopen(seq, 'a');
    expect(await batches.get(id)).toMatchObject({ status: 'in_progress', counts: { completed: 3 } });
    expect(await chunks.claimable(9)).toMatchObject([{ number: 1 }, { number: 2 }]);
  });

  it('begin a batch anew when its input is another, unless it was cancelled', async () => {
    const { seq, id } = await running(1);
    await chunks.claim(A);
    await chunks.record({ batch: seq, number: 0 }, A, [answer(1), answer(2)], true);
    await batches.endRuns();
    await stages.claimStage(A);
    await stages.restart(seq, 'a', 'v2');
    expect(await batches.get(id)).toMatchObject({ status: 'validating', counts: { total: 0, completed: 0 } });
    expect((await results.answeredLines(seq, 1, 2)).size).toBe(0);
    await stages.claimStage(A);
    await batches.cancel(id);
    await stages.restart(seq, 'a', 'v3');
    expect(await batches.get(id)).toMatchObject({ status: 'cancelling' });
  });

  it('page through results, and forget them a piece at a time', async () => {
    const { seq } = await running(1);
    await stages.claimStage(A);
    await chunks.claim(A);
    const lines = Array.from({ length: 1200 }, (_, i) => (i % 3 === 0 ? failure(i + 1) : answer(i + 1)));
    await chunks.record({ batch: seq, number: 0 }, A, lines, true);
    expect(await results.page(seq, { after: 1000, lines: 100, limit: 10, failed: true })).toMatchObject(
      [1003, 1006, 1009, 1012, 1015, 1018, 1021, 1024, 1027, 1030].map((line) => ({ line, failed: true })),
    );
    expect(await results.page(seq, { after: 1000, lines: 2, limit: 10 })).toHaveLength(2);
    const purged: number[] = [];
    for (let count = await results.purge(seq, 500); count > 0; count = await results.purge(seq, 500))
      purged.push(count);
    expect(purged).toEqual([500, 500, 200]);
  });

  it('forget ended batches whose results are gone', async () => {
    const { seq, id } = await running(1);
    await batches.endRunEarly(seq);
    await stages.claimStage(A);
    await stages.finish({ seq, ending: 'completed' }, 'a', { counts: { total: 2, completed: 0, failed: 0 } });
    expect(await batches.deleteEndedBefore(Date.now() + 1, 9)).toBe(0);
    expect(await batches.unpurged(5)).toMatchObject([{ id }]);
    await batches.markPurged(seq);
    expect(await batches.unpurged(5)).toEqual([]);
    expect(await batches.deleteEndedBefore(Date.now() - 60_000, 9)).toBe(0);
    expect(await batches.deleteEndedBefore(Date.now() + 1, 9)).toBe(1);
    expect(await batches.get(id)).toBeUndefined();
  });

  it('measure how fast a batch advances', async () => {
    const { seq, id } = await running(1);
    await batches.measureRates(0.5);
    expect((await batches.get(id))?.rate).toBeNull();
    await chunks.claim(A);
    await chunks.record({ batch: seq, number: 0 }, A, [answer(1)], false);
    pass(2000);
    await batches.measureRates(0.5);
    expect((await batches.get(id))?.rate).toBeCloseTo(0.5, 1);
  });

  it('list batches, the newest first', async () => {
    const made = [];
    for (let i = 0; i < 5; i++) made.push((await batches.create(batchOf('file-1'))).id);
    made.reverse();
    const firstPage = await batches.list({ limit: 2 });
    expect(firstPage.map(({ id }) => id)).toEqual(made.slice(0, 2));
    const rest = await batches.list({ after: made[1], limit: 9 });
    expect(rest.map(({ id }) => id)).toEqual(made.slice(2));
    expect((await batches.unfinished()).map(({ id }) => id)).toEqual(made.toReversed());
  });

  it('keep any text', async () => {
    const { seq } = await running(1);
    await chunks.claim(A);
    const body = JSON.stringify({ text: '\u0000 \ud800 \u{1f600} "\\ é' });
    await chunks.record({ batch: seq, number: 0 }, A, [answer(1, body)], true);
    expect(await results.page(seq, { after: 0, lines: 2, limit: 2 })).toEqual([answer(1, body)]);
  });
});
