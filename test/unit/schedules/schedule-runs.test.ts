import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Batch } from '../../../src/batch/batch-types.js';
import type { LineSource } from '../../../src/batch/schedules/line-source.js';
import type { Schedule } from '../../../src/batch/schedules/schedule-types.js';
import type { Database } from '../../../src/storage/database.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { describeOnBoth } from './databases.js';
import {
  batchesOf,
  CRM,
  daily,
  DAY,
  EVENING,
  NIGHT,
  scheduleServer,
  SECOND,
  servers,
  standStill,
  type ScheduleServer,
} from './server.js';

beforeEach(standStill);
afterEach(() => void vi.useRealTimers());

/** Looks once, and waits for what that begins. */
async function tick({ runner }: ScheduleServer): Promise<number> {
  let runs = 0;
  for (let due = await runner.claimDue(); due; due = await runner.claimDue()) {
    await runner.runDue(due, new AbortController().signal);
    runs++;
  }
  return runs;
}

describeOnBoth('a schedule', (fresh) => {
  it('makes a batch of what its source says, when its time has come', async () => {
    const [server] = await servers(fresh, 1);
    const { id, nextRunAt } = await server.service.create(daily({ timeoutSeconds: 3600 }));
    expect(nextRunAt).toBe(NIGHT);
    vi.setSystemTime(NIGHT - 1);
    expect(await tick(server)).toBe(0);
    vi.setSystemTime(NIGHT);
    expect(await tick(server)).toBe(1);

    const [batch] = await batchesOf(server);
    expect(batch).toMatchObject({
      endpoint: '/v1/completions',
      lineFormat: 'openai',
      metadata: { team: 'a' },
      scheduleId: id,
      expiresAt: NIGHT + 3600 * SECOND,
    });
    const { fileId } = (batch as Batch).input as { fileId: string };
    expect(JSON.parse(readFileSync(join(server.options.files, fileId), 'utf8'))).toEqual({
      custom_id: 'a',
      method: 'POST',
      url: '/v1/completions',
      body: { model: 'tales', prompt: 'Once' },
    });
    expect(await server.files.get(fileId)).toMatchObject({ filename: 'night-20260102T030000Z.jsonl' });
    expect(await server.service.get('night')).toMatchObject({
      nextRunAt: NIGHT + DAY,
      lastRunAt: NIGHT,
      lastOutcome: `started: ${batch?.id}`,
      lastBatchId: batch?.id,
    });
  });

  it('is run once each time, by whichever of several servers', async () => {
    const all = await servers(fresh, 3);
    for (let i = 0; i < 4; i++) await all[0].service.create(daily({ name: `night ${i}` }));
    for (let night = 0; night < 3; night++) {
      vi.setSystemTime(NIGHT + night * DAY);
      const runs = await Promise.all(all.map(tick));
      expect(runs.reduce((sum, count) => sum + count, 0)).toBe(4);
      await all[0].finishBatches();
    }
    expect(await batchesOf(all[0])).toHaveLength(12);
  });

  it('is left out while its last batch is under way, and says so', async () => {
    const [server] = await servers(fresh, 1);
    await server.service.create(daily());
    vi.setSystemTime(NIGHT);
    await tick(server);
    const [first] = await batchesOf(server);
    vi.setSystemTime(NIGHT + DAY);
    await tick(server);
    expect(await batchesOf(server)).toHaveLength(1);
    expect(await server.service.get('night')).toMatchObject({
      nextRunAt: NIGHT + 2 * DAY,
      lastRunAt: NIGHT,
      lastOutcome: `skipped: the batch ${first?.id} of the run before it isn't finished`,
      lastBatchId: first?.id,
    });
    await server.finishBatches();
    vi.setSystemTime(NIGHT + 2 * DAY);
    await tick(server);
    expect(await batchesOf(server)).toHaveLength(2);
  });

  it('whose time passed while nobody was there is left out, or made up for once', async () => {
    const [server] = await servers(fresh, 1);
    await server.service.create(daily({ name: 'skips' }));
    await server.service.create(daily({ name: 'makes up', missedRuns: 'run_once' }));
    vi.setSystemTime(NIGHT + 5.5 * DAY);
    expect(await tick(server)).toBe(2);
    expect(await server.service.get('skips')).toMatchObject({
      nextRunAt: NIGHT + 6 * DAY,
      lastRunAt: null,
      lastOutcome: 'skipped: nobody was there to start it at 2026-01-02T03:00:00.000Z',
    });
    expect(await server.service.get('makes up')).toMatchObject({ nextRunAt: NIGHT + 6 * DAY });
    expect(await batchesOf(server)).toHaveLength(1);
    expect(await tick(server)).toBe(0);
  });

  it.each(['claimed', 'batch made'] as const)(
    'whose server was killed (%s) is run by the next one, once',
    async (moment) => {
      const [killed, next] = (await servers(fresh, 2)) as [ScheduleServer, ScheduleServer];
      await killed.service.create(daily());
      vi.setSystemTime(NIGHT);
      const due = (await killed.runner.claimDue()) as Schedule;
      if (moment === 'batch made') {
        vi.spyOn(killed.schedules, 'endRun').mockRejectedValue(new Error('killed'));
        await killed.runner.runDue(due, new AbortController().signal).catch(() => undefined);
      }
      expect(await batchesOf(next)).toHaveLength(moment === 'batch made' ? 1 : 0);
      expect(await tick(next)).toBe(0); // it holds the lease still
      vi.setSystemTime(NIGHT + 10 * SECOND);
      expect(await tick(next)).toBe(1);
      const batches = await batchesOf(next);
      expect(batches).toHaveLength(1);
      expect(await next.service.get('night')).toMatchObject({
        lastOutcome: `started: ${batches[0]?.id}`,
        nextRunAt: NIGHT + DAY,
      });
    },
  );

  it('taken from a server that only stood still makes no second batch', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow: LineSource = {
      async *lines() {
        yield { custom_id: 'slow', body: {} };
        await held;
      },
    };
    const [one, two] = (await fresh(2)) as [Database, Database];
    const folder = temporaryFolder();
    const stalled = await scheduleServer(one, folder, { sources: { crm: slow } });
    const other = await scheduleServer(two, folder, { sources: { crm: CRM } });
    vi.setSystemTime(EVENING);
    await stalled.service.create(daily());
    vi.setSystemTime(NIGHT);
    const running = stalled.runner.runDue(
      (await stalled.runner.claimDue()) as Schedule,
      new AbortController().signal,
    );
    vi.setSystemTime(NIGHT + 10 * SECOND);
    expect(await tick(other)).toBe(1);
    release();
    await running;
    const batches = await batchesOf(other);
    expect(batches).toHaveLength(1);
    expect(await other.service.get('night')).toMatchObject({ lastBatchId: batches[0]?.id });
    // nor does it leave its file
    const { files } = await other.files.list({ limit: 100, order: 'asc' });
    const inputs = batches.map(({ input }) => (input as { fileId: string }).fileId);
    expect(files.map(({ id }) => id)).toEqual(inputs);
  });

  it('whose source fails says why, and comes again', async () => {
    const failing: LineSource = {
      // oxlint-disable-next-line require-yield
      async *lines() {
        throw new Error('the CRM is down');
      },
    };
    const [server] = await servers(fresh, 1, { sources: { crm: failing } });
    await server.service.create(daily());
    vi.setSystemTime(NIGHT);
    await tick(server);
    expect(await server.service.get('night')).toMatchObject({
      lastOutcome: 'failed: The source of the lines failed: the CRM is down',
      nextRunAt: NIGHT + DAY,
    });
    expect(await server.files.list({ limit: 10, order: 'asc' })).toMatchObject({ files: [] });
  });

  it('that a shutdown interrupts is still due', async () => {
    const endless: LineSource = {
      lines: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
    };
    const [server] = await servers(fresh, 1, { sources: { crm: endless } });
    await server.service.create(daily());
    vi.setSystemTime(NIGHT);
    const ending = new AbortController();
    const running = server.runner.runDue((await server.runner.claimDue()) as Schedule, ending.signal);
    ending.abort();
    await running;
    expect(await server.runner.claimDue()).toMatchObject({ name: 'night', nextRunAt: NIGHT });
  });

  it('is run by hand without its next time moving, and not beside itself', async () => {
    const [server] = await servers(fresh, 1);
    await server.service.create(daily());
    await server.service.pause('night');
    expect(await server.service.run('night')).toMatchObject({
      lastRunAt: EVENING,
      nextRunAt: null,
      paused: true,
    });
    await expect(server.service.run('night')).rejects.toMatchObject({ code: 'conflict' });
    await server.finishBatches();
    expect(await server.service.resume('night')).toMatchObject({ nextRunAt: NIGHT });
    expect(await server.service.run('night')).toMatchObject({ nextRunAt: NIGHT });
    expect(await batchesOf(server)).toHaveLength(2);
  });

  it('that is paused does not come, and makes up for nothing', async () => {
    const [server] = await servers(fresh, 1);
    await server.service.create(daily({ missedRuns: 'run_once' }));
    await server.service.pause('night');
    vi.setSystemTime(NIGHT + 3 * DAY);
    expect(await tick(server)).toBe(0);
    expect(await server.service.resume('night')).toMatchObject({ nextRunAt: NIGHT + 4 * DAY });
    expect(await tick(server)).toBe(0);
  });

  it('whose time is changed while it begins comes at the new time', async () => {
    const [server] = await servers(fresh, 1);
    await server.service.create(daily());
    vi.setSystemTime(NIGHT);
    const due = (await server.runner.claimDue()) as Schedule;
    await server.service.update('night', { cron: '0 5 * * *' });
    await server.runner.runDue(due, new AbortController().signal);
    expect((await server.service.get('night')).nextRunAt).toBe(NIGHT + 2 * 3600 * SECOND);
  });
});
