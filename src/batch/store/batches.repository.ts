import { Injectable } from '@nestjs/common';
import type { ExpressionBuilder, Kysely } from 'kysely';
import { Database } from '../../storage/database.js';
import type { BatchRow, Tables } from '../../storage/tables.js';
import type {
  Batch,
  BatchError,
  BatchStatus,
  ChunkRange,
  LineCounts,
  NewBatch,
  StoredFile,
} from '../batch-types.js';
import { newBatchRow, toBatch } from './batch-rows.js';
import type { Lease } from './chunks.repository.js';
import { toRow, type Page } from './files.repository.js';
import { newId } from './ids.js';

export interface FinishedBatch {
  readonly counts: LineCounts;
  readonly output?: StoredFile | undefined;
  readonly errors?: StoredFile | undefined;
}

/** Rows of one statement. */
const ROWS = 500;

/**
 * Batches, and the stages that one worker does for the whole of one: `validating`, and writing the output once all chunks are
 * answered, or aren't wanted any more. Who does a stage holds the lease of the batch.
 */
@Injectable()
export class BatchesRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async create(batch: NewBatch): Promise<Batch> {
    const row = await this.#database.db
      .insertInto('batches')
      .values(newBatchRow(newId('batch_'), batch, Date.now()))
      .returningAll()
      .executeTakeFirstOrThrow();
    return toBatch(row, { completed: 0, failed: 0 });
  }

  async get(id: string): Promise<Batch | undefined> {
    const row = await this.#database.db
      .selectFrom('batches')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && this.#toBatch(row);
  }

  async getBySeq(seq: number): Promise<Batch | undefined> {
    const row = await this.#database.db
      .selectFrom('batches')
      .selectAll()
      .where('seq', '=', seq)
      .executeTakeFirst();
    return row && this.#toBatch(row);
  }

  /** The newest first; `after` is the id of the last one of the page before. */
  async list({ after, limit }: Page): Promise<Batch[]> {
    let query = this.#database.db.selectFrom('batches').selectAll();
    if (after !== undefined)
      query = query.where('seq', '<', ({ selectFrom }) =>
        selectFrom('batches').select('seq').where('id', '=', after),
      );
    const rows = await query.orderBy('seq', 'desc').limit(limit).execute();
    return Promise.all(rows.map((row) => this.#toBatch(row)));
  }

  /** Those that aren't finished, oldest first. */
  async unfinished(): Promise<Batch[]> {
    const rows = await this.#database.db
      .selectFrom('batches')
      .selectAll()
      .where('status', 'in', ['validating', 'in_progress', 'finalizing', 'cancelling'])
      .orderBy('seq')
      .execute();
    return Promise.all(rows.map((row) => this.#toBatch(row)));
  }

  /** Takes up the oldest batch that is to be validated, or finalized: with no chunk in anybody's hands. */
  claimStage({ owner, milliseconds }: Lease): Promise<Batch | undefined> {
    const now = Date.now();
    return this.#database.db.transaction().execute(async (transaction) => {
      let query = transaction
        .selectFrom('batches')
        .selectAll()
        .where('lease_until', '<', now)
        .where((where) => waitsForStage(where, now));
      if (this.#database.engine === 'postgres') query = query.forUpdate().skipLocked();
      const row = await query.orderBy('seq').limit(1).executeTakeFirst();
      if (!row) return undefined;
      await transaction
        .updateTable('batches')
        .set({ lease_owner: owner, lease_until: now + milliseconds })
        .where('seq', '=', row.seq)
        .execute();
      return this.#toBatch(row, transaction);
    });
  }

  /** @returns the status by now; undefined: the stage isn't the owner's any more */
  async renewStage(seq: number, { owner, milliseconds }: Lease): Promise<BatchStatus | undefined> {
    const row = await this.#database.db
      .updateTable('batches')
      .set({ lease_until: Date.now() + milliseconds })
      .where('seq', '=', seq)
      .where('lease_owner', '=', owner)
      .returning('status')
      .executeTakeFirst();
    return row && (row.status as BatchStatus);
  }

  /** Gives a stage back, so that it needn't run out. */
  async releaseStage(seq: number, owner: string): Promise<void> {
    await this.#endStage(this.#database.db, seq, owner, {});
  }

  /**
   * The end of the validation: the chunks can be taken up. One that was cancelled meanwhile stays so.
   * @returns false if the stage was somebody else's by then: nothing was written
   */
  begin(
    seq: number,
    owner: string,
    chunks: readonly ChunkRange[],
    plainKey: string | null,
  ): Promise<boolean> {
    const total = chunks.reduce((sum, { lines }) => sum + lines, 0);
    return this.#database.db.transaction().execute(async (transaction) => {
      const ours = await this.#endStage(transaction, seq, owner, { total, plain_key: plainKey });
      if (!ours) return false;
      await insertChunks(transaction, seq, chunks);
      await transaction
        .updateTable('batches')
        .set({ status: 'in_progress', in_progress_at: Date.now() })
        .where('seq', '=', seq)
        .where('status', '=', 'validating')
        .execute();
      return true;
    });
  }

  /** The end of the validation of a batch that can't be run at all. */
  async fail(seq: number, owner: string, errors: readonly BatchError[]): Promise<boolean> {
    return this.#endStage(this.#database.db, seq, owner, {
      status: 'failed',
      failed_at: Date.now(),
      errors: JSON.stringify(errors),
      completed: 0,
      failed: 0,
    });
  }

  /** Batches whose last chunk is done, or whose time is over, are to be finalized. */
  async endRuns(): Promise<void> {
    const now = Date.now();
    const { db } = this.#database;
    await db
      .updateTable('batches')
      .set({ status: 'finalizing', ending: 'expired', finalizing_at: now })
      .where('status', 'in', ['validating', 'in_progress'])
      .where('expires_at', '<', now)
      .execute();
    await db
      .updateTable('batches')
      .set({ status: 'finalizing', finalizing_at: now })
      .where('status', '=', 'in_progress')
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('chunks')
              .select('number')
              .whereRef('chunks.batch', '=', 'batches.seq')
              .where('state', '!=', 'done'),
          ),
        ),
      )
      .execute();
  }

  /** @returns the batch, cancelling or as it was if it is over; undefined: there is none */
  async cancel(id: string): Promise<Batch | undefined> {
    await this.#database.db
      .updateTable('batches')
      .set({ status: 'cancelling', ending: 'cancelled', cancelling_at: Date.now() })
      .where('id', '=', id)
      .where('status', 'in', ['validating', 'in_progress'])
      .execute();
    return this.get(id);
  }

  /**
   * The end of a batch: its status becomes its ending, its files are there.
   * @returns false if the stage was somebody else's by then: nothing was written
   */
  finish(
    { seq, ending }: Pick<Batch, 'seq' | 'ending'>,
    owner: string,
    { counts, output, errors }: FinishedBatch,
  ): Promise<boolean> {
    return this.#database.db.transaction().execute(async (transaction) => {
      const ours = await this.#endStage(transaction, seq, owner, {
        status: ending,
        [`${ending}_at`]: Date.now(),
        ...counts,
        output_file_id: output?.id ?? null,
        error_file_id: errors?.id ?? null,
      });
      if (!ours) return false;
      const files = [output, errors].filter((file) => file !== undefined);
      if (files.length > 0) await transaction.insertInto('files').values(files.map(toRow)).execute();
      return true;
    });
  }

  /** Puts a batch back to its beginning: its input isn't what it was made of any more. Its results go. */
  async restart(seq: number, owner: string, version: string): Promise<void> {
    await this.#database.db.transaction().execute(async (transaction) => {
      const ours = await this.#endStage(transaction, seq, owner, {
        status: 'validating',
        input_version: version,
        finalizing_at: null,
        in_progress_at: null,
        plain_key: null,
        total: 0,
      });
      if (!ours) return;
      await transaction.deleteFrom('chunks').where('batch', '=', seq).execute();
      await transaction.deleteFrom('results').where('batch', '=', seq).execute();
    });
  }

  /** Finished batches whose chunks and results are still there. */
  async unpurged(limit: number): Promise<Batch[]> {
    const rows = await this.#database.db
      .selectFrom('batches')
      .selectAll()
      .where('status', 'in', ['failed', 'completed', 'expired', 'cancelled'])
      .where('purged', '=', 0)
      .orderBy('seq')
      .limit(limit)
      .execute();
    return Promise.all(rows.map((row) => this.#toBatch(row)));
  }

  /** Once the results are gone: the chunks go, too. */
  async markPurged(seq: number): Promise<void> {
    await this.#database.db.transaction().execute(async (transaction) => {
      await transaction.deleteFrom('chunks').where('batch', '=', seq).execute();
      await transaction.updateTable('batches').set({ purged: 1 }).where('seq', '=', seq).execute();
    });
  }

  /** Forgets batches that ended before a time and whose results are gone. */
  async deleteEndedBefore(time: number): Promise<number> {
    const { numDeletedRows } = await this.#database.db
      .deleteFrom('batches')
      .where('purged', '=', 1)
      .where(({ fn }) => fn.coalesce('completed_at', 'failed_at', 'expired_at', 'cancelled_at'), '<', time)
      .executeTakeFirst();
    return Number(numDeletedRows);
  }

  /** Measures how fast the batches advance; called every few seconds, by one worker or by several. */
  async measureRates(smoothing: number): Promise<void> {
    for (const batch of await this.unfinished()) {
      const row = await this.#database.db
        .selectFrom('batches')
        .select(['rate', 'rate_lines', 'rate_at'])
        .where('seq', '=', batch.seq)
        .executeTakeFirst();
      if (!row || batch.status !== 'in_progress') continue;
      const now = Date.now();
      const answered = batch.counts.completed + batch.counts.failed;
      const seconds = row.rate_at === null ? 0 : (now - row.rate_at) / 1000;
      if (row.rate_at !== null && seconds < 1) continue;
      const fresh = seconds > 0 ? (answered - row.rate_lines) / seconds : null;
      const rate = fresh === null || row.rate === null ? fresh : row.rate + smoothing * (fresh - row.rate);
      await this.#database.db
        .updateTable('batches')
        .set({ rate, rate_lines: answered, rate_at: now })
        .where('seq', '=', batch.seq)
        .execute();
    }
  }

  async #endStage(
    db: Kysely<Tables>,
    seq: number,
    owner: string,
    change: Partial<BatchRow>,
  ): Promise<boolean> {
    const { numUpdatedRows } = await db
      .updateTable('batches')
      .set({ ...change, lease_owner: null, lease_until: 0 })
      .where('seq', '=', seq)
      .where('lease_owner', '=', owner)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async #toBatch(row: BatchRow, db: Kysely<Tables> = this.#database.db): Promise<Batch> {
    if (row.completed !== null) return toBatch(row, { completed: 0, failed: 0 });
    const { answered, failed } = await db
      .selectFrom('chunks')
      .select(({ fn }) => [
        fn.sum<number | null>('answered').as('answered'),
        fn.sum<number | null>('failed').as('failed'),
      ])
      .where('batch', '=', row.seq)
      .executeTakeFirstOrThrow();
    return toBatch(row, { completed: (answered ?? 0) - (failed ?? 0), failed: failed ?? 0 });
  }
}

function waitsForStage(where: ExpressionBuilder<Tables, 'batches'>, now: number) {
  const nobodyRuns = where.not(
    where.exists(
      where
        .selectFrom('chunks')
        .select('number')
        .whereRef('chunks.batch', '=', 'batches.seq')
        .where('state', '=', 'leased')
        .where('lease_until', '>=', now),
    ),
  );
  const over: readonly BatchStatus[] = ['finalizing', 'cancelling'];
  return where.or([
    where('status', '=', 'validating' satisfies BatchStatus),
    where.and([where('status', 'in', [...over]), nobodyRuns]),
  ]);
}

async function insertChunks(db: Kysely<Tables>, batch: number, chunks: readonly ChunkRange[]): Promise<void> {
  for (let from = 0; from < chunks.length; from += ROWS) {
    const values = chunks.slice(from, from + ROWS).map((chunk) => ({
      batch,
      number: chunk.number,
      first_line: chunk.firstLine,
      lines: chunk.lines,
      byte_start: chunk.byteStart,
      byte_length: chunk.byteLength,
      state: 'open',
      lease_owner: null,
      lease_until: 0,
      attempts: 0,
      answered: chunk.rejected,
      failed: chunk.rejected,
    }));
    await db.insertInto('chunks').values(values).execute();
  }
}
