import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BatchesRepository } from '../../../src/batch/store/batches.repository.js';
import { ChunksRepository } from '../../../src/batch/store/chunks.repository.js';
import { StagesRepository } from '../../../src/batch/store/stages.repository.js';
import { WorkersRepository } from '../../../src/batch/store/workers.repository.js';
import { WorkerHeartbeat } from '../../../src/batch/worker-heartbeat.js';
import { WorkerIdentity } from '../../../src/batch/worker-identity.js';
import type { Database } from '../../../src/storage/database.js';
import { batchOf } from '../batch/helpers/test-worker.js';
import { describeOnBoth } from './databases.js';
import { DAY, EVENING, SECOND, standStill } from './server.js';

beforeEach(standStill);
afterEach(() => void vi.useRealTimers());

describeOnBoth('the workers', (fresh) => {
  const worker = async () => {
    const [database] = (await fresh(1)) as [Database];
    const workers = new WorkersRepository(database);
    const identity = new WorkerIdentity();
    return { workers, identity, heartbeat: new WorkerHeartbeat(workers, identity) };
  };

  it('are seen while they beat, and gone when they end', async () => {
    const { workers, identity, heartbeat } = await worker();
    await heartbeat.onApplicationBootstrap();
    const row = { id: identity.id, host: identity.host, pid: process.pid, started_at: EVENING };
    expect(await workers.seen(5 * SECOND)).toEqual([{ ...row, seen_at: EVENING }]);
    vi.setSystemTime(EVENING + 6 * SECOND);
    expect(await workers.seen(5 * SECOND)).toEqual([]);
    await heartbeat.beat();
    expect(await workers.seen(5 * SECOND)).toEqual([{ ...row, seen_at: EVENING + 6 * SECOND }]);
    await heartbeat.onModuleDestroy();
    await heartbeat.beat();
    expect(await workers.seen(DAY)).toEqual([]);
  });

  it('that were killed are forgotten after a day', async () => {
    const { workers, heartbeat } = await worker();
    await workers.beat({ id: 'killed', host: 'a', pid: 1, started_at: EVENING });
    vi.setSystemTime(EVENING + DAY);
    await heartbeat.onApplicationBootstrap();
    expect(await workers.seen(2 * DAY)).toHaveLength(2);
    vi.setSystemTime(EVENING + DAY + SECOND);
    await heartbeat.onApplicationBootstrap();
    expect((await workers.seen(2 * DAY)).map(({ id }) => id)).not.toContain('killed');
    await heartbeat.onModuleDestroy();
  });

  it('of this machine that were killed leave nothing in their hands; those that live, or are elsewhere, keep it', async () => {
    const [database] = (await fresh(1)) as [Database];
    const [workers, batches, stages] = [
      new WorkersRepository(database),
      new BatchesRepository(database),
      new StagesRepository(database),
    ];
    const chunks = new ChunksRepository(database);
    const identity = new WorkerIdentity();
    const { host } = identity;
    const dead = spawnSync(process.execPath, ['--version']).pid;
    await workers.beat({ id: 'dead', host, pid: dead, started_at: EVENING });
    await workers.beat({ id: 'alive', host, pid: process.ppid, started_at: EVENING });
    await workers.beat({ id: 'elsewhere', host: `not-${host}`, pid: dead, started_at: EVENING });
    const lease = (owner: string) => ({ owner, milliseconds: DAY });
    const { seq } = await batches.create(batchOf('file-1'));
    await stages.claimStage(lease('dead'));
    const range = { lines: 1, byteStart: 0, byteLength: 1, rejected: 0 };
    const ranges = [0, 1, 2].map((number) => ({ ...range, number, firstLine: number + 1 }));
    await stages.begin(seq, 'dead', ranges, null);
    for (const owner of ['dead', 'alive', 'elsewhere']) await chunks.claim(lease(owner));
    const validated = await batches.create(batchOf('file-2'));
    await stages.claimStage(lease('dead'));

    await new WorkerHeartbeat(workers, identity).onApplicationBootstrap();
    expect((await chunks.claimable(9)).map(({ number }) => number)).toEqual([0]);
    expect((await stages.claimStage(lease('b')))?.id).toBe(validated.id);
    const left = (await workers.seen(DAY)).map(({ id }) => id);
    expect(left.toSorted()).toEqual(['alive', 'elsewhere', identity.id].toSorted());
  });

  it('live on while the database is away', async () => {
    const { workers, heartbeat } = await worker();
    await heartbeat.onApplicationBootstrap();
    vi.spyOn(workers, 'beat').mockRejectedValueOnce(new Error('away'));
    await expect(heartbeat.beat()).resolves.toBeUndefined();
    vi.spyOn(workers, 'remove').mockRejectedValueOnce(new Error('away'));
    await expect(heartbeat.onModuleDestroy()).resolves.toBeUndefined();
  });
});

it('two workers of one process are told apart', () => {
  expect(new WorkerIdentity().id).not.toBe(new WorkerIdentity().id);
});
