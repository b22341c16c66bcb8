import * as fc from 'fast-check';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { choosePaths, fileVersion } from '../../../src/batch/batch-files.js';
import type { NewBatch } from '../../../src/batch/batch-types.js';
import { BatchesRepository } from '../../../src/batch/store/batches.repository.js';
import { Database } from '../../../src/storage/database.js';
import { FolderFileStore } from '../../../src/storage/folder-file-store.js';
import { migrate } from '../../../src/storage/migrate.js';
import { Mortal, type Death } from './helpers/mortal.js';
import { answerTo, INSTANCE, ScriptedModels } from './helpers/scripted-models.js';
import { batchOf, TestWorker, whenEnded } from './helpers/test-worker.js';

const names = (count: number, of = 'line'): string[] => Array.from({ length: count }, (_, i) => `${of}-${i}`);
const flat = (prompts: readonly string[]): string =>
  prompts.map((prompt) => `${JSON.stringify({ custom_id: prompt, prompt })}\n`).join('');

describe('a batch of a file that lies in a folder', () => {
  const root = mkdtempSync(join(tmpdir(), 'resident-delivery-'));
  const folders = { inbox: join(root, 'inbox'), outbox: join(root, 'outbox'), done: join(root, 'done') };
  let database: Database;
  let store: FolderFileStore;
  let batches: BatchesRepository;
  const workers: TestWorker[] = [];
  beforeAll(async () => {
    database = await Database.open({ engine: 'sqlite', path: join(root, 'x.db') });
    await migrate(database);
    store = await FolderFileStore.open(join(root, 'files'));
    batches = new BatchesRepository(database);
  });
  afterAll(async () => {
    await database.close();
    rmSync(root, { recursive: true, force: true });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await Promise.all(workers.splice(0).map((worker) => worker.end()));
    for (const folder of Object.values(folders)) rmSync(folder, { recursive: true, force: true });
  });

  /** Puts a file in the inbox, and makes a batch of it. */
  const arrive = async (content: string, change: Partial<NewBatch> = {}) => {
    for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
    const path = join(folders.inbox, 'night.jsonl');
    writeFileSync(path, content);
    const input = { kind: 'path', path, version: await fileVersion(path) } as const;
    const delivery = choosePaths(path, folders);
    return {
      path,
      ...(await batches.create(batchOf('', { lineFormat: 'flat', input, delivery, ...change }))),
    };
  };
  const work = (models: ScriptedModels): TestWorker => {
    const worker = new TestWorker({ database, store, models }).start();
    workers.push(worker);
    return worker;
  };
  const results = (): { custom_id: string; line: number; text?: string; error: { code: string } | null }[] =>
    readFileSync(join(folders.outbox, 'night.results.jsonl'), 'utf8')
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as ReturnType<typeof results>[number]]));
  const left = () => Object.values(folders).map((folder) => readdirSync(folder));
  const MOVED = [[], ['night.results.jsonl'], ['night.jsonl']];

  it('is answered in one file, answers and errors in their places, and moved', async () => {
    const { id } = await arrive(`${flat(['a'])}{\n${flat(['c'])}\n${flat(['e'])}\n\n`);
    work(new ScriptedModels());
    expect(await whenEnded(batches, id)).toMatchObject({
      status: 'completed',
      counts: { total: 5, completed: 3, failed: 2 },
      outputFileId: null,
      errorFileId: null,
    });
    expect(results()).toMatchObject([
      { custom_id: 'a', line: 1, text: answerTo('a'), instance_id: INSTANCE, error: null },
      { custom_id: null, line: 2, error: { code: 'invalid_json' } },
      { custom_id: 'c', line: 3, error: null },
      { custom_id: null, line: 4, error: { code: 'invalid_json' } },
      { custom_id: 'e', line: 5, error: null },
    ]);
    expect(left()).toEqual(MOVED);
  });

  it('that is empty gives empty results', async () => {
    const { id } = await arrive('');
    work(new ScriptedModels());
    expect(await whenEnded(batches, id)).toMatchObject({ status: 'completed', counts: { total: 0 } });
    expect(results()).toEqual([]);
    expect(left()).toEqual(MOVED);
  });

  it.each([
    ['while it runs', 60, 30],
    ['when its last line was under way', 7, 1000],
  ])(
    'that is written to %s is run again as it is then, and only that is delivered',
    async (_, count, afterMs) => {
      const { id, path } = await arrive(flat(names(count, 'old')));
      const models = new ScriptedModels();
      models.fate = (prompt) => ({ kind: 'answers', afterMs: prompt.startsWith('old') ? afterMs : 1 });
      work(models);
      await vi.waitFor(() => expect(models.begun.length).toBeGreaterThan(5));
      writeFileSync(path, flat(names(30, 'new')));
      expect(await whenEnded(batches, id)).toMatchObject({ status: 'completed', counts: { completed: 30 } });
      expect(results().map(({ custom_id }) => custom_id)).toEqual(names(30, 'new'));
      expect(left()).toEqual(MOVED);
    },
  );

  it('that is removed before all is answered fails', async () => {
    const { id, path } = await arrive(flat(names(100)));
    const models = new ScriptedModels();
    models.fate = () => ({ kind: 'answers', afterMs: 20 });
    work(models);
    await vi.waitFor(() => expect(models.begun.length).toBeGreaterThan(5));
    rmSync(path);
    expect(await whenEnded(batches, id)).toMatchObject({
      status: 'failed',
      errors: [{ code: 'file_not_found' }],
    });
    expect(left()).toEqual([[], [], []]);
  });

  it('that is cancelled is delivered as far as it is answered, and moved', async () => {
    const { id } = await arrive(flat(names(100)));
    const models = new ScriptedModels();
    models.fate = (prompt) => ({ kind: 'answers', afterMs: Number(prompt.slice(5)) < 10 ? 1 : 60_000 });
    work(models);
    await vi.waitFor(async () => expect((await batches.get(id))?.counts.completed).toBe(10), {
      timeout: 5000,
    });
    await batches.cancel(id);
    expect(await whenEnded(batches, id)).toMatchObject({ status: 'cancelled', counts: { completed: 10 } });
    expect(results().map(({ custom_id }) => custom_id)).toEqual(names(10));
    expect(left()).toEqual(MOVED);
  });

  it('is delivered once and whole, whenever its worker is killed', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const deaths = fc.record({
      call: fc.integer({ min: 1, max: 45 }),
      moment: fc.constantFrom('before', 'after'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(deaths, { minLength: 1, maxLength: 3 }), async (kills) => {
        const { id } = await arrive(flat(names(40)));
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
          vi.setSystemTime(Date.now() + 7000);
        }
        const worker = work(new ScriptedModels());
        expect(await whenEnded(batches, id)).toMatchObject({
          status: 'completed',
          counts: { completed: 40 },
        });
        await worker.end();
        expect(results().map(({ custom_id }) => custom_id)).toEqual(names(40));
        expect(existsSync(join(folders.inbox, 'night.jsonl'))).toBe(false);
        for (const folder of Object.values(folders)) rmSync(folder, { recursive: true, force: true });
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});
