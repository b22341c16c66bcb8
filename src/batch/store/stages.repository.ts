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
  LineResult,
  StoredFile,
} from '../batch-types.js';
import { loadBatch, sumChunks, usageColumns } from './batch-rows.js';
import type { Lease } from './chunks.repository.js';
import { toRow } from './files.repository.js';
import { insertResults } from './results.repository.js';

export interface FinishedBatch {
  readonly counts: LineCounts;
  readonly output?: StoredFile | undefined;
  readonly errors?: StoredFile | undefined;
}

/** Rows of one statement. */
const ROWS = 500;

/**
 * The stages that one worker does for the whole of a batch: its validation, and writing the output once all chunks are
 * answered, or aren't wanted any more. Who does a stage holds the lease of the batch; whoever lost it can't write.
 */
@Injectable()
export class StagesRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
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
      return loadBatch(row, transaction);
    });
  }

  /** @returns the status by now; undefined: the stage isn't the owner's any more */
  renewStage(seq: number, lease: Lease): Promise<BatchStatus | undefined> {
    return renew(this.#database.db, seq, lease);
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
      const { usage, model } = await sumChunks(seq, transaction);
      const ours = await this.#endStage(transaction, seq, owner, {
        status: ending,
        [`${ending}_at`]: Date.now(),
        ...counts,
        ...usageColumns(usage),
        model,
        output_file_id: output?.id ?? null,
        error_file_id: errors?.id ?? null,
      });
      if (!ours) return false;
      const files = [output, errors].filter((file) => file !== undefined);
      if (files.length > 0) await transaction.insertInto('files').values(files.map(toRow)).execute();
      return true;
    });
  }

  /**
   * Answers lines that aren't run, and renews the lease.
   * @returns the status by now; undefined: the stage isn't the owner's any more, nothing was written
   */
  reject(seq: number, lease: Lease, results: readonly LineResult[]): Promise<BatchStatus | undefined> {
    return this.#database.db.transaction().execute(async (transaction) => {
      const status = await renew(transaction, seq, lease);
      if (status !== undefined) await insertResults(transaction, seq, results);
      return status;
    });
  }

  /** Puts a batch back to its beginning, unless it is cancelled: its input isn't what it was made of any more. Its results go. */
  async restart(seq: number, owner: string, version: string): Promise<void> {
    await this.#database.db.transaction().execute(async (transaction) => {
      const ours = await this.#endStage(transaction, seq, owner, { input_version: version });
      if (!ours) return;
      await transaction.deleteFrom('chunks').where('batch', '=', seq).execute();
      await transaction.deleteFrom('results').where('batch', '=', seq).execute();
      await transaction
        .updateTable('batches')
        .set({ status: 'validating', finalizing_at: null, in_progress_at: null, plain_key: null, total: 0 })
        .where('seq', '=', seq)
        .where('status', 'in', ['validating', 'finalizing'])
        .execute();
    });
  }

  /** Has the chunks run that aren't answered, of a batch that was to be finalized too early. */
  async reopen(seq: number, owner: string): Promise<void> {
    await this.#database.db.transaction().execute(async (transaction) => {
      const change = { status: 'in_progress', finalizing_at: null };
      const ours = await this.#endStage(transaction, seq, owner, change);
      if (!ours) return;
      await transaction
        .updateTable('chunks')
        .set({ state: 'open', lease_owner: null, lease_until: 0 })
        .where('batch', '=', seq)
        .whereRef('answered', '<', 'lines')
        .execute();
    });
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
}

async function renew(
  db: Kysely<Tables>,
  seq: number,
  { owner, milliseconds }: Lease,
): Promise<BatchStatus | undefined> {
  const row = await db
    .updateTable('batches')
    .set({ lease_until: Date.now() + milliseconds })
    .where('seq', '=', seq)
    .where('lease_owner', '=', owner)
    .returning('status')
    .executeTakeFirst();
  return row && (row.status as BatchStatus);
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
      prompt_tokens: 0,
      cached_tokens: 0,
      completion_tokens: 0,
    }));
    await db.insertInto('chunks').values(values).execute();
  }
}
