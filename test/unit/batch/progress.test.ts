import { beforeAll, expect, it } from 'vitest';
import type { Batch, LineResult, StoredFile } from '../../../src/batch/batch-types.js';
import { BatchesService } from '../../../src/batch/batches.service.js';
import { BatchesRepository } from '../../../src/batch/store/batches.repository.js';
import { ChunksRepository } from '../../../src/batch/store/chunks.repository.js';
import { FilesRepository } from '../../../src/batch/store/files.repository.js';
import { ProgressRepository } from '../../../src/batch/store/progress.repository.js';
import { StagesRepository } from '../../../src/batch/store/stages.repository.js';
import { WorkersRepository } from '../../../src/batch/store/workers.repository.js';
import type { Database } from '../../../src/storage/database.js';
import { describeDatabases } from './helpers/databases.js';

const LEASE = { owner: 'worker-1', milliseconds: 60_000 };
const USAGE = { promptTokens: 3_000_000_000, cachedTokens: 1, completionTokens: 2 };
const answer = (line: number, model?: string): LineResult => ({
  line,
  failed: false,
  body: 'a',
  usage: USAGE,
  ...(model === undefined ? {} : { model }),
});

describeDatabases('what operators see', (databases) => {
  let database: Database;
  let files: FilesRepository;
  let batches: BatchesService;
  let stages: StagesRepository;
  let chunks: ChunksRepository;
  beforeAll(async () => {
    database = await databases.open();
    files = new FilesRepository(database);
    stages = new StagesRepository(database);
    chunks = new ChunksRepository(database);
    const progress = new ProgressRepository(database);
    batches = new BatchesService(new BatchesRepository(database), files, progress, { wake: () => undefined });
  });

  const upload = async (id: string, createdAt = 1): Promise<StoredFile> => {
    const file: StoredFile = { id, purpose: 'batch', filename: 'a', bytes: 1, createdAt, expiresAt: null };
    await files.insert(file);
    return file;
  };

  /** A batch that runs, with so many chunks of two lines. */
  const running = async (fileId: string, count: number): Promise<Batch> => {
    await upload(fileId);
    const batch = await batches.create({ endpoint: '/v1/completions', inputFileId: fileId });
    await stages.claimStage(LEASE);
    const ranges = Array.from({ length: count }, (_, number) => ({
      number,
      firstLine: 2 * number + 1,
      lines: 2,
      byteStart: 0,
      byteLength: 1,
      rejected: 0,
    }));
    await stages.begin(batch.seq, LEASE.owner, ranges, null);
    return batch;
  };

  const finish = async ({ id }: Batch): Promise<void> => {
    const { seq } = await batches.cancel(id);
    const claimed = await stages.claimStage({ owner: 'end', milliseconds: 1000 });
    expect(claimed?.seq).toBe(seq);
    const { counts } = await batches.get(id);
    await stages.finish({ seq, ending: 'cancelled' }, 'end', { counts });
  };

  it('are chunks by their state, and who has which lines', async () => {
    const batch = await running('file-1', 4);
    await new WorkersRepository(database).beat({ id: 'worker-1', host: 'here', pid: 5, started_at: 0 });
    const first = await chunks.claim(LEASE);
    await chunks.record(first ?? { batch: 0, number: 0 }, LEASE, [answer(1), answer(2)], true);
    const second = await chunks.claim(LEASE);
    await chunks.record(second ?? { batch: 0, number: 0 }, LEASE, [answer(3)], false);
    // of somebody who is gone
    await chunks.claim({ owner: 'gone', milliseconds: -1 });
    const progress = await batches.progress(await batches.get(batch.id));
    expect(progress).toEqual({
      answered: 3,
      rate: null,
      etaSeconds: null,
      chunks: {
        open: 2,
        running: 1,
        done: 1,
        current: [
          { firstLine: 3, lastLine: 4, answered: 1, worker: { id: 'worker-1', host: 'here', pid: 5 } },
        ],
      },
    });
    await chunks.release(second ?? { batch: 0, number: 0 }, LEASE.owner);
    await finish(batch);
  });

  it('are the tokens of all answers, and the model while it is one', async () => {
    const batch = await running('file-2', 2);
    const record = async (last: boolean, ...results: LineResult[]) => {
      const chunk = (await chunks.claim(LEASE)) ?? { batch: 0, number: 0 };
      await chunks.record(chunk, LEASE, results, last);
      if (!last) await chunks.release(chunk, LEASE.owner);
      const { usage, model } = await batches.get(batch.id);
      return [usage.promptTokens, usage.cachedTokens, usage.completionTokens, model];
    };
    const prompt = USAGE.promptTokens;
    expect(await record(false, { line: 1, failed: true, body: 'f' })).toEqual([0, 0, 0, null]);
    expect(await record(true, answer(2, 'tales'))).toEqual([prompt, 1, 2, 'tales']);
    expect(await record(false, answer(3, 'tales'))).toEqual([2 * prompt, 2, 4, 'tales']);
    expect(await record(true, answer(4, 'moods'))).toEqual([3 * prompt, 3, 6, null]);
    await finish(batch);
    // the chunks go; this stays
    await database.db.deleteFrom('chunks').execute();
    expect(await batches.get(batch.id)).toMatchObject({
      status: 'cancelled',
      counts: { total: 4, completed: 3, failed: 1 },
      usage: { promptTokens: 3 * prompt, cachedTokens: 3, completionTokens: 6 },
      model: null,
    });
  });

  it('are files that no unfinished batch reads, once they are to be deleted', async () => {
    const batch = await running('file-3', 0);
    expect(await files.deleteUnused('file-3')).toBe('in_use');
    await finish(batch);
    expect(await files.deleteUnused('file-3')).toBe('deleted');
    expect(await files.deleteUnused('file-3')).toBe('missing');
  });
});
