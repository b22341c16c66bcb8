import type { Batch, ChunkRange } from '../../src/batch/batch-types.js';
import { BatchesService } from '../../src/batch/batches.service.js';
import { FilesService } from '../../src/batch/files.service.js';
import { BatchesRepository } from '../../src/batch/store/batches.repository.js';
import { ChunksRepository } from '../../src/batch/store/chunks.repository.js';
import { StagesRepository } from '../../src/batch/store/stages.repository.js';
import type { BatchDoors } from './batch-doors.js';

const LEASE = { owner: 'worker-1', milliseconds: 60_000 };
const LINES = 10;

/** Does with the tables what whoever executes batches does with them, step by step. */
export class BatchStory {
  readonly #doors: BatchDoors;

  constructor(doors: BatchDoors) {
    this.#doors = doors;
  }

  async upload(text = '{}\n'): Promise<string> {
    const source = (async function* () {
      yield Buffer.from(text);
    })();
    const { id } = await this.#doors.app
      .get(FilesService)
      .upload({ filename: 'a.jsonl', purpose: 'batch', source });
    return id;
  }

  async create(endpoint = '/v1/completions'): Promise<Batch> {
    return this.#doors.app.get(BatchesService).create({ endpoint, inputFileId: await this.upload() });
  }

  /** Validated: chunks of ten lines. */
  async begin(batch: Batch, chunks: number): Promise<void> {
    await this.#stages.claimStage(LEASE);
    const ranges = Array.from({ length: chunks }, (_, number): ChunkRange => ({
      number,
      firstLine: number * LINES + 1,
      lines: LINES,
      byteStart: 0,
      byteLength: 1,
      rejected: 0,
    }));
    await this.#stages.begin(batch.seq, LEASE.owner, ranges, null);
  }

  /** Takes up the next chunk, and answers so many of its lines. */
  async answer(lines: number, failed = 0, model = 'tales'): Promise<void> {
    const chunk = await this.#chunks.claim(LEASE);
    if (!chunk) throw new Error('there is no chunk to answer');
    const results = Array.from({ length: lines }, (_, i) => ({
      line: chunk.firstLine + i,
      failed: i < failed,
      body: '{}',
      model,
      usage: { promptTokens: 3, cachedTokens: 1, completionTokens: 2 },
    }));
    await this.#chunks.record(chunk, LEASE, results, lines === LINES);
  }

  async finish(batch: Batch): Promise<void> {
    await this.#batches.endRuns();
    const claimed = await this.#stages.claimStage(LEASE);
    if (claimed?.id !== batch.id) throw new Error('the batch is not to be finalized');
    await this.#stages.finish(claimed, LEASE.owner, { counts: claimed.counts });
  }

  async fail(batch: Batch): Promise<void> {
    await this.#stages.claimStage(LEASE);
    const errors = [{ code: 'empty_file', message: 'The file is empty.', line: null, param: null }];
    await this.#stages.fail(batch.seq, LEASE.owner, errors);
  }

  get #batches(): BatchesRepository {
    return this.#doors.app.get(BatchesRepository);
  }

  get #stages(): StagesRepository {
    return this.#doors.app.get(StagesRepository);
  }

  get #chunks(): ChunksRepository {
    return this.#doors.app.get(ChunksRepository);
  }
}
