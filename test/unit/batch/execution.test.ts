import * as fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { NewBatch } from '../../../src/batch/batch-types.js';
import { BatchesRepository } from '../../../src/batch/store/batches.repository.js';
import { ResultsRepository } from '../../../src/batch/store/results.repository.js';
import { Database } from '../../../src/storage/database.js';
import { FolderFileStore } from '../../../src/storage/folder-file-store.js';
import { migrate } from '../../../src/storage/migrate.js';
import { describeDatabases } from './helpers/databases.js';
import { Mortal, type Death } from './helpers/mortal.js';
import { answerTo, ScriptedModels } from './helpers/scripted-models.js';
import {
  batchOf,
  bytesOf,
  linesOf,
  lineOf,
  TestWorker,
  whenEnded,
  type OutputLine,
  type TestWorkerOptions,
} from './helpers/test-worker.js';

let folder: string;
let store: FolderFileStore;
let files = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'resident-execution-'));
  store = await FolderFileStore.open(join(folder, 'files'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => void vi.useRealTimers());

const upload = async (content: string | Buffer): Promise<string> => {
  const id = `file-${++files}`;
  await store.write(id, bytesOf(content));
  return id;
};

const textOf = ({ response }: OutputLine) => response?.body.choices?.[0]?.text;
const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `line-${i}`);

describeDatabases('a batch', (databases) => {
  let database: Database;
  let batches: BatchesRepository;
  const workers: TestWorker[] = [];
  beforeAll(async () => {
    database = await databases.open();
    batches = new BatchesRepository(database);
  });
  afterEach(async () => void (await Promise.all(workers.splice(0).map((worker) => worker.end()))));

  const work = (models: ScriptedModels, options: Partial<TestWorkerOptions> = {}): TestWorker => {
    const worker = new TestWorker({ database, store, models, ...options }).start();
    workers.push(worker);
    return worker;
  };
  const run = async (content: string | Buffer, models: ScriptedModels, change: Partial<NewBatch> = {}) => {
    const { id } = await batches.create(batchOf(await upload(content), change));
    work(models);
    const batch = await whenEnded(batches, id);
    return {
      batch,
      output: await linesOf(store, batch.outputFileId),
      errors: await linesOf(store, batch.errorFileId),
    };
  };

  it('answers every line once, in order', async () => {
    const models = new ScriptedModels();
    models.fate = () => ({ kind: 'answers', afterMs: Math.random() * 3 });
    const names = ids(300);
    const { batch, output } = await run(names.map((name) => lineOf(name)).join('\n'), models);
    expect(batch).toMatchObject({
      status: 'completed',
      counts: { total: 300, completed: 300, failed: 0 },
      errorFileId: null,
    });
    expect(output.map(({ custom_id }) => custom_id)).toEqual(names);
    expect(output.map(textOf)).toEqual(names.map(answerTo));
    expect(models.begun.toSorted()).toEqual(names.toSorted());
    expect(models.mostInFlight).toBe(8);
  });

  it('tells what is wrong with lines in the error file, and runs the rest', async () => {
    const models = new ScriptedModels();
    const content = [
      lineOf('good'),
      '{"custom_id": "b", ',
      '',
      JSON.stringify({ custom_id: 'd', method: 'POST', url: '/v1/embeddings', body: {} }),
      JSON.stringify({ custom_id: 'e', method: 'GET', url: '/v1/completions', body: {} }),
      JSON.stringify({ method: 'POST', url: '/v1/completions', body: {} }),
      lineOf('good'),
      lineOf('h', { max_token: 3 }),
      lineOf('i', { stream: true }),
      Buffer.from([0x7b, 0xff, 0x7d]),
      'x'.repeat(10_001),
      '[]',
      lineOf('m'),
      ' ',
      '',
    ];
    const bytes = Buffer.concat(content.flatMap((line) => [Buffer.from(line), Buffer.from('\r\n')]));
    const { batch, output, errors } = await run(
      Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]),
      models,
    );
    expect(batch).toMatchObject({ status: 'completed', counts: { total: 13, completed: 2, failed: 11 } });
    expect(output.map(({ custom_id }) => custom_id)).toEqual(['good', 'm']);
    expect(
      errors.map(({ custom_id, error, response }) => [
        custom_id,
        error?.code ?? response?.body.error?.code,
        response?.status_code ?? null,
      ]),
    ).toEqual([
      [null, 'invalid_json', null],
      [null, 'invalid_json', null],
      ['d', 'mismatched_url', null],
      ['e', 'invalid_value', null],
      [null, 'missing_required_parameter', null],
      ['good', 'duplicate_custom_id', null],
      ['h', 'unknown_parameter', 400],
      ['i', 'invalid_value', 400],
      [null, 'invalid_json', null],
      [null, 'line_too_long', null],
      [null, 'invalid_json', null],
    ]);
    expect(errors[0]?.error?.message).toMatch(/^Line 2: The line is not valid JSON/);
  });

  it.each([
    ['empty', '', 'empty_file'],
    ['of blank lines only', '\n \n\t\n', 'empty_file'],
    ['of too many lines', '{}\n'.repeat(10_001), 'too_many_lines'],
    ['a damaged gzip', Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]), 'invalid_gzip'],
    ['cut off in the middle', gzipSync(lineOf('a')).subarray(0, -12), 'invalid_gzip'],
    ['too large once it is inflated', gzipSync(Buffer.alloc(10_000_001)), 'file_too_large'],
  ])('of a file that is %s fails', async (_, content, code) => {
    const { batch } = await run(content, new ScriptedModels());
    expect(batch).toMatchObject({ status: 'failed', errors: [{ code }], counts: { total: 0 } });
    expect(batch.errors[0]?.message).toMatch(/^[A-Z].*\.$/);
  });

  it('of a file that is gone fails', async () => {
    const { id } = await batches.create(batchOf('file-gone'));
    work(new ScriptedModels());
    expect(await whenEnded(batches, id)).toMatchObject({
      status: 'failed',
      errors: [{ code: 'file_not_found' }],
    });
  });

  it('takes gzip, and leaves nothing of what it inflated', async () => {
    const names = ids(50);
    const { batch, output } = await run(
      gzipSync(names.map((name) => lineOf(name)).join('\n')),
      new ScriptedModels(),
    );
    expect(output.map(({ custom_id }) => custom_id)).toEqual(names);
    await vi.waitFor(async () => expect(await batches.unpurged(1)).toEqual([]), { timeout: 5000 });
    expect(await store.size(`${batch.id}.input`)).toBeUndefined();
    const results = new ResultsRepository(database);
    expect((await results.answeredLines(batch.seq, 1, 50)).size).toBe(0);
  });

  it('delivers what is answered when it is cancelled, and runs no more', async () => {
    const models = new ScriptedModels();
    const { id } = await batches.create(
      batchOf(
        await upload(
          ids(200)
            .map((name) => lineOf(name))
            .join('\n'),
        ),
      ),
    );
    models.fate = (prompt) => ({ kind: 'answers', afterMs: Number(prompt.slice(5)) < 40 ? 1 : 60_000 });
    const worker = work(models);
    await vi.waitFor(async () => expect((await batches.get(id))?.counts.completed).toBe(40), {
      timeout: 5000,
    });
    await batches.cancel(id);
    worker.reconciler.wake();
    const batch = await whenEnded(batches, id);
    expect(batch).toMatchObject({ status: 'cancelled', counts: { total: 200, completed: 40, failed: 0 } });
    const output = await linesOf(store, batch.outputFileId);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(ids(40));
    expect(batch.errorFileId).toBeNull();
    expect(models.begun.length).toBeLessThan(60);
  });

  it('answers what is left with an error when its time is over', async () => {
    const models = new ScriptedModels();
    models.fate = (prompt) => ({ kind: 'answers', afterMs: prompt === 'line-3' ? 60_000 : 1 });
    const content = [...ids(30).map((name) => lineOf(name)), '{', ''].join('\n');
    const { batch, output, errors } = await run(content, models, { expiresAt: Date.now() + 1200 });
    expect(batch).toMatchObject({ status: 'expired', counts: { total: 31, completed: 29, failed: 2 } });
    expect(output.map(({ custom_id }) => custom_id)).toEqual(ids(30).filter((name) => name !== 'line-3'));
    expect(errors.map(({ custom_id, error }) => [custom_id, error?.code])).toEqual([
      ['line-3', 'batch_expired'],
      [null, 'invalid_json'],
    ]);
  });

  it('is shared by several workers, and no line is run twice', async () => {
    const names = ids(400);
    const { id } = await batches.create(batchOf(await upload(names.map((name) => lineOf(name)).join('\n'))));
    const shared = [0, 1, 2].map(() => {
      const models = new ScriptedModels();
      models.fate = () => ({ kind: 'answers', afterMs: 60 });
      work(models);
      return models;
    });
    const batch = await whenEnded(batches, id);
    const output = await linesOf(store, batch.outputFileId);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(names);
    expect(shared.flatMap(({ begun }) => begun).toSorted()).toEqual(names.toSorted());
    for (const { begun } of shared) expect(begun.length).toBeGreaterThan(0);
  });

  it('that a shutdown interrupts goes on at the first unanswered line', async () => {
    const names = ids(100);
    const { id } = await batches.create(batchOf(await upload(names.map((name) => lineOf(name)).join('\n'))));
    const first = new ScriptedModels();
    first.fate = (prompt) => ({ kind: 'answers', afterMs: Number(prompt.slice(5)) < 30 ? 1 : 60_000 });
    const worker = work(first);
    await vi.waitFor(() => expect(first.begun.length).toBeGreaterThan(35), { timeout: 5000 });
    await worker.end();
    const before = await batches.get(id);
    expect(before).toMatchObject({ status: 'in_progress', counts: { completed: 30 } });
    const second = new ScriptedModels();
    work(second);
    const batch = await whenEnded(batches, id);
    expect((await linesOf(store, batch.outputFileId)).map(({ custom_id }) => custom_id)).toEqual(names);
    expect(second.begun.toSorted()).toEqual(names.slice(30).toSorted());
  });
});

describe('a worker that is killed', () => {
  let database: Database;
  beforeAll(async () => {
    database = await Database.open({ engine: 'sqlite', path: join(folder, 'killed.db') });
    await migrate(database);
  });
  afterAll(() => database.close());

  /** A batch with all that there is: good lines, refused ones, lines that fail; compressed or not. */
  const begin = async (isCompressed: boolean): Promise<{ id: string; seq: number }> => {
    const content = ids(60)
      .map((name, i) => (i % 7 === 3 ? '{' : lineOf(name, i % 11 === 5 ? { max_token: 1 } : {})))
      .join('\n');
    const input = await upload(isCompressed ? gzipSync(content) : content);
    return new BatchesRepository(database).create(batchOf(input));
  };

  it('at any moment costs no line, and no answered line is run again', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const batches = new BatchesRepository(database);
    const results = new ResultsRepository(database);
    const deaths = fc.record({
      call: fc.integer({ min: 1, max: 70 }),
      moment: fc.constantFrom('before', 'after'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(deaths, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (kills, gzip) => {
          const { id, seq } = await begin(gzip);
          for (const kill of kills as Death[]) {
            const mortal = new Mortal(kill);
            const worker = new TestWorker({
              database,
              store,
              models: new ScriptedModels(),
              wrap: mortal.wrap,
            }).start();
            await Promise.race([mortal.dead, whenEnded(batches, id)]);
            mortal.end();
            void worker.end();
            // what it held runs out
            vi.setSystemTime(Date.now() + 7000);
          }
          const answered = await results.answeredLines(seq, 1, 60);
          const models = new ScriptedModels();
          const last = new TestWorker({ database, store, models }).start();
          const batch = await whenEnded(batches, id);
          await last.end();
          expect(batch).toMatchObject({
            status: 'completed',
            counts: { total: 60, completed: 47, failed: 13 },
          });
          const output = await linesOf(store, batch.outputFileId);
          expect(output.map(({ custom_id }) => custom_id)).toEqual(
            ids(60).filter((_, i) => i % 7 !== 3 && i % 11 !== 5),
          );
          expect(await linesOf(store, batch.errorFileId)).toHaveLength(13);
          expect(models.begun.filter((name) => answered.has(Number(name.slice('line-'.length)) + 1))).toEqual(
            [],
          );
        },
      ),
      { numRuns: 40 },
    );
  }, 120_000);
});
