import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { describeOnBoth } from './databases.js';
import { batchesOf, DAY, EVENING, servers, standStill, type ScheduleServer } from './server.js';

beforeEach(standStill);
afterEach(() => void vi.useRealTimers());

describeOnBoth('the inbox', (fresh) => {
  const drop = ({ options }: ScheduleServer, name: string, text = '{}\n') => {
    mkdirSync(options.inbox, { recursive: true });
    const path = join(options.inbox, name);
    writeFileSync(path, text);
    utimesSync(path, new Date(EVENING - DAY), new Date(EVENING - DAY));
    return path;
  };

  it('gives each file one batch, however many servers look', async () => {
    const all = await servers(fresh, 3);
    for (let i = 0; i < 6; i++) drop(all[0], `${i}.jsonl`);
    const begun = await Promise.all(all.map(({ inbox }) => inbox.takeUp()));
    expect(begun.flat()).toHaveLength(6);
    expect(await Promise.all(all.map(({ inbox }) => inbox.takeUp()))).toEqual([[], [], []]);
    expect(new Set((await batchesOf(all[0])).map(({ delivery }) => delivery?.results)).size).toBe(6);
  });

  it('takes what fits a pattern', async () => {
    const [server] = await servers(fresh, 1);
    for (const name of ['a.jsonl', 'b.jsonl.gz', 'c.json', 'crm-1.jsonl']) drop(server, name);
    const taken = async (pattern?: string) =>
      (await server.inbox.takeUp(pattern)).map(({ input }) =>
        (input as { path: string }).path.split('/').at(-1),
      );
    expect(await taken('crm-?.jsonl')).toEqual(['crm-1.jsonl']);
    expect(await taken()).toEqual(['a.jsonl', 'b.jsonl.gz']);
  });

  it('leaves a file alone whose batch came to nothing, until it is written to', async () => {
    const [server] = await servers(fresh, 1);
    const path = drop(server, 'a.jsonl');
    for (const status of ['failed', 'cancelled', 'expired']) {
      expect(await server.inbox.takeUp()).toHaveLength(1);
      await server.database.db
        .updateTable('batches')
        .set({ status })
        .where('status', '=', 'validating')
        .execute();
      expect(await server.inbox.takeUp()).toEqual([]);
      writeFileSync(path, `${readFileSync(path, 'utf8')}{}\n`);
      utimesSync(path, new Date(EVENING - DAY), new Date(EVENING - DAY));
    }
  });

  it('takes a file up again that comes again once it is done', async () => {
    const [server] = await servers(fresh, 1);
    for (let i = 0; i < 2; i++) {
      drop(server, 'a.jsonl');
      expect(await server.inbox.takeUp()).toHaveLength(1);
      await server.finishBatches();
    }
  });

  it('gives files of one name from two folders two names of results', async () => {
    const all = await servers(fresh, 2);
    drop(all[0], 'a.jsonl');
    const elsewhere = join(temporaryFolder({ 'a.jsonl': '{}\n' }), 'a.jsonl');
    const [inside, outside] = await Promise.all([all[0].inbox.takeUp(), all[1]?.inbox.enqueue(elsewhere)]);
    const names = [inside[0]?.delivery?.results, outside?.delivery?.results].map((path) =>
      path?.split('/').at(-1),
    );
    expect(new Set(names)).toEqual(new Set(['a-2.results.jsonl', 'a.results.jsonl']));
    await expect(all[0].inbox.enqueue(elsewhere)).rejects.toMatchObject({ code: 'conflict' });
  });
});
