import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../engine/errors.js';
import { Database } from '../../storage/database.js';
import type { Batch, NewBatch } from '../batch-types.js';
import { loadBatch, newBatchRow, toBatch } from './batch-rows.js';
import type { Page } from './files.repository.js';
import { newId } from './ids.js';

/** What becomes of batches, apart from the stages that one worker does for the whole of one (`StagesRepository`). */
@Injectable()
export class BatchesRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @throws InvalidRequestError `conflict`: of this path, for this file of results or this scheduled run there is one */
  async create(batch: NewBatch): Promise<Batch> {
    const row = await this.#database.db
      .insertInto('batches')
      .values(newBatchRow(newId('batch_'), batch, Date.now()))
      .onConflict((conflict) => conflict.doNothing())
      .returningAll()
      .executeTakeFirst();
    if (row) return toBatch(row);
    const what = batch.input.kind === 'path' ? batch.input.path : 'this run of the schedule';
    throw new InvalidRequestError(
      'conflict',
      `There is an unfinished batch of ${what} already: wait for it, or cancel it.`,
    );
  }

  async get(id: string): Promise<Batch | undefined> {
    const row = await this.#database.db
      .selectFrom('batches')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && loadBatch(row, this.#database.db);
  }

  async getBySeq(seq: number): Promise<Batch | undefined> {
    const row = await this.#database.db
      .selectFrom('batches')
      .selectAll()
      .where('seq', '=', seq)
      .executeTakeFirst();
    return row && loadBatch(row, this.#database.db);
  }

  /** The newest first; `after` is the id of the last one of the page before. */
  async list({ after, limit }: Page): Promise<Batch[]> {
    let query = this.#database.db.selectFrom('batches').selectAll();
    if (after !== undefined)
      query = query.where('seq', '<', (where) =>
        where.selectFrom('batches').select('seq').where('id', '=', after),
      );
    const rows = await query.orderBy('seq', 'desc').limit(limit).execute();
    return Promise.all(rows.map((row) => loadBatch(row, this.#database.db)));
  }

  /** Those that aren't finished, oldest first. */
  async unfinished(): Promise<Batch[]> {
    const rows = await this.#database.db
      .selectFrom('batches')
      .selectAll()
      .where('status', 'in', ['validating', 'in_progress', 'finalizing', 'cancelling'])
      .orderBy('seq')
      .execute();
    return Promise.all(rows.map((row) => loadBatch(row, this.#database.db)));
  }

  /**
   * Batches whose last chunk is done, or whose time is over, are to be finalized.
   * @returns how many there are of them now that weren't before
   */
  async endRuns(): Promise<number> {
    const now = Date.now();
    const { db } = this.#database;
    const expired = await db
      .updateTable('batches')
      .set({ status: 'finalizing', ending: 'expired', finalizing_at: now })
      .where('status', 'in', ['validating', 'in_progress'])
      .where('expires_at', '<', now)
      .executeTakeFirst();
    const done = await db
      .updateTable('batches')
      .set({ status: 'finalizing', finalizing_at: now })
      .where('status', '=', 'in_progress')
      .where((where) =>
        where.not(
          where.exists(
            where
              .selectFrom('chunks')
              .select('number')
              .whereRef('chunks.batch', '=', 'batches.seq')
              .where('state', '!=', 'done'),
          ),
        ),
      )
      .executeTakeFirst();
    return Number(expired.numUpdatedRows + done.numUpdatedRows);
  }

  /** Ends a run whose input isn't there any more as it was: whoever finalizes it finds out what to do. */
  async endRunEarly(seq: number): Promise<void> {
    await this.#database.db
      .updateTable('batches')
      .set({ status: 'finalizing', finalizing_at: Date.now() })
      .where('seq', '=', seq)
      .where('status', '=', 'in_progress')
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
    return Promise.all(rows.map((row) => loadBatch(row, this.#database.db)));
  }

  /** Once the results are gone: the chunks go, too. */
  async markPurged(seq: number): Promise<void> {
    await this.#database.db.transaction().execute(async (transaction) => {
      await transaction.deleteFrom('chunks').where('batch', '=', seq).execute();
      await transaction.updateTable('batches').set({ purged: 1 }).where('seq', '=', seq).execute();
    });
  }

  /** Forgets batches that ended before a time and whose results are gone, at most so many. */
  async deleteEndedBefore(time: number, limit: number): Promise<number> {
    const { numDeletedRows } = await this.#database.db
      .deleteFrom('batches')
      .where('seq', 'in', (where) =>
        where
          .selectFrom('batches')
          .select('seq')
          .where('purged', '=', 1)
          .where(
            ({ fn }) => fn.coalesce('completed_at', 'failed_at', 'expired_at', 'cancelled_at'),
            '<',
            time,
          )
          .limit(limit),
      )
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
}
