import { Logger } from '@nestjs/common';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BatchModuleOptions } from '../../../src/batch/batch-options.interface.js';
import { LocalDispatcher } from '../../../src/batch/execution/chunk-dispatcher.js';
import { RedisDispatcher } from '../../../src/batch/execution/redis-dispatcher.js';
import { BatchesRepository } from '../../../src/batch/store/batches.repository.js';
import { ChunksRepository } from '../../../src/batch/store/chunks.repository.js';
import { StagesRepository } from '../../../src/batch/store/stages.repository.js';
import { Database } from '../../../src/storage/database.js';
import { FolderFileStore } from '../../../src/storage/folder-file-store.js';
import { migrate } from '../../../src/storage/migrate.js';
import { HAS_REDIS, TestRedis } from '../../support/redis.js';
import { INSTALL_SERVICES } from '../../support/service-process.js';
import { ScriptedModels } from './helpers/scripted-models.js';
import { batchOf, bytesOf, lineOf, linesOf, TestWorker, whenEnded } from './helpers/test-worker.js';

const skipped = HAS_REDIS ? '' : ` (skipped; to run it: ${INSTALL_SERVICES})`;

describe.skipIf(!HAS_REDIS)(`chunks that are shared through Redis${skipped}`, () => {
  let folder: string;
  let redis: TestRedis;
  let database: Database;
  let store: FolderFileStore;
  let batches: BatchesRepository;
  let chunks: ChunksRepository;
  let prefixes = 0;
  const open: RedisDispatcher[] = [];
  const workers: TestWorker[] = [];
  beforeAll(async () => {
    Logger.overrideLogger(false);
    folder = mkdtempSync(join(tmpdir(), 'resident-redis-'));
    redis = await TestRedis.start();
    database = await Database.open({ engine: 'sqlite', path: join(folder, 'x.db') });
    await migrate(database);
    store = await FolderFileStore.open(join(folder, 'files'));
    batches = new BatchesRepository(database);
    chunks = new ChunksRepository(database);
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.end()));
    await Promise.all(open.splice(0).map((dispatcher) => dispatcher.close()));
    await database.db.deleteFrom('chunks').execute();
    await database.db.deleteFrom('batches').execute();
  });
  afterAll(async () => {
    await database.close();
    await redis.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const dispatcher = (
    owner: string,
    prefix: string,
    rateLimit: BatchModuleOptions['rateLimit'] = null,
    url = redis.url,
  ): RedisDispatcher => {
    const lease = { owner, milliseconds: 5000 };
    const local = new LocalDispatcher(chunks, { id: owner } as never);
    const made = new RedisDispatcher(chunks, local, { redis: { url, prefix }, rateLimit, lease });
    open.push(made);
    return made;
  };

  const connected = (...made: RedisDispatcher[]): Promise<void> =>
    vi.waitFor(() => expect(made.map(({ isShared }) => isShared)).toEqual(made.map(() => true)));

  /** A batch that runs, with so many chunks of one line. */
  const running = async (count: number): Promise<number> => {
    const stages = new StagesRepository(database);
    const { seq } = await batches.create(batchOf('file-1'));
    await stages.claimStage({ owner: 'a', milliseconds: 5000 });
    const ranges = Array.from({ length: count }, (_, number) => ({
      number,
      firstLine: number + 1,
      lines: 1,
      byteStart: number,
      byteLength: 1,
      rejected: 0,
    }));
    await stages.begin(seq, 'a', ranges, null);
    return seq;
  };

  const takeAll = async (from: RedisDispatcher): Promise<number[]> => {
    const numbers: number[] = [];
    for (let chunk = await from.take([]); chunk; chunk = await from.take([])) numbers.push(chunk.number);
    return numbers;
  };

  it('are each taken up once, by whoever asks first', async () => {
    const prefix = `p${++prefixes}`;
    const [a, b] = [dispatcher('a', prefix), dispatcher('b', prefix)];
    await running(20);
    await connected(a, b);
    expect(await a.take([])).toBeUndefined(); // nobody has offered any
    await Promise.all([a.offer(), b.offer()]);
    const taken = await Promise.all([takeAll(a), takeAll(b)]);
    expect(taken.flat().toSorted((x, y) => x - y)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(await chunks.claimable(99)).toEqual([]);
  });

  it('are told to the others when they are offered', async () => {
    const prefix = `p${++prefixes}`;
    const [a, b] = [dispatcher('a', prefix), dispatcher('b', prefix)];
    const heard = vi.fn<() => void>();
    b.onOffer = heard;
    await running(1);
    await connected(a, b);
    await vi.waitFor(async () => {
      await chunks.claim({ owner: 'c', milliseconds: 1 }); // another attempt is another offer
      await a.offer();
      expect(heard).toHaveBeenCalled();
    });
  });

  it('of a batch that a worker can not run are left to the others', async () => {
    const prefix = `p${++prefixes}`;
    const [a, b] = [dispatcher('a', prefix), dispatcher('b', prefix)];
    const batch = await running(1);
    await connected(a, b);
    await a.offer();
    expect(await a.take([batch])).toBeUndefined();
    expect(await chunks.claimable(9)).toHaveLength(1);
    await vi.waitFor(async () => expect(await b.take([])).toMatchObject({ batch }), { timeout: 5000 });
  });

  it('are no more at a time than the rate limit says', async () => {
    const a = dispatcher('a', `p${++prefixes}`, { chunks: 3, seconds: 60 });
    await running(10);
    await connected(a);
    await a.offer();
    expect(await takeAll(a)).toHaveLength(3);
    expect(await takeAll(a)).toEqual([]);
  });

  it('whose worker is gone before it claimed them come to another', async () => {
    const prefix = `p${++prefixes}`;
    const [a, b] = [dispatcher('a', prefix), dispatcher('b', prefix)];
    await running(1);
    await connected(a, b);
    await a.offer();
    const claim = vi.spyOn(chunks, 'claim').mockReturnValueOnce(new Promise(() => undefined));
    void a.take([]);
    await vi.waitFor(() => expect(claim).toHaveBeenCalled());
    claim.mockRestore();
    expect(await b.take([])).toBeUndefined();
    await vi.waitFor(async () => expect(await b.take([])).toMatchObject({ number: 0 }), {
      timeout: 15_000,
      interval: 200,
    });
  }, 20_000);

  it('are found in the tables while Redis is away, from the start', async () => {
    const a = dispatcher('a', 'none', null, 'redis://127.0.0.1:1');
    await running(3);
    const taken: number[] = [];
    await vi.waitFor(async () => {
      await a.offer();
      taken.push(...(await takeAll(a)));
      expect(taken).toEqual([0, 1, 2]);
    });
  });

  it('are all answered, in order, when Redis is killed in the middle and comes back empty', async () => {
    const prefix = `p${++prefixes}`;
    const names = Array.from({ length: 600 }, (_, i) => `line-${i}`);
    await store.write('file-killed', bytesOf(names.map((name) => lineOf(name)).join('\n')));
    const begun: string[][] = [];
    for (let i = 0; i < 2; i++) {
      const models = new ScriptedModels();
      models.fate = () => ({ kind: 'answers', afterMs: 40 });
      begun.push(models.begun);
      const made = new TestWorker({
        database,
        store,
        models,
        dispatcher: (own, local, owner) =>
          new RedisDispatcher(own, local, {
            redis: { url: redis.url, prefix },
            rateLimit: null,
            lease: { owner, milliseconds: 6000 },
          }),
      });
      workers.push(made.start());
    }
    const { id } = await batches.create(batchOf('file-killed'));
    for (const { reconciler } of workers) reconciler.wake();
    const answered = async () => (await batches.get(id))?.counts.completed ?? 0;
    await vi.waitFor(async () => expect(await answered()).toBeGreaterThan(100), { timeout: 10_000 });
    await redis.kill();
    const atKill = await answered();
    await vi.waitFor(async () => expect(await answered()).toBeGreaterThan(atKill + 100), { timeout: 10_000 });
    await redis.restart();
    const batch = await whenEnded(batches, id);
    const output = await linesOf(store, batch.outputFileId);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(names);
    expect(begun.flat().toSorted()).toEqual(names.toSorted());
    for (const own of begun) expect(own.length).toBeGreaterThan(50);
  }, 40_000);

  it('end without waiting for a Redis that is away', async () => {
    const a = dispatcher('a', `p${++prefixes}`);
    const away = dispatcher('b', 'none', null, 'redis://127.0.0.1:1');
    await connected(a);
    await Promise.all([a.close(), away.close()]);
    expect(await a.take([])).toBeUndefined();
  }, 3000);
});
