import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { Database } from '../../storage/database.js';
import type { Tables } from '../../storage/tables.js';
import type { LineResult } from '../batch-types.js';

/** Rows of one statement: below SQLite's limit of variables. */
const ROWS = 500;

export interface ResultPage {
  readonly after: number;
  readonly lines: number;
  readonly limit: number;
  /** Only those that failed, or that didn't; default: both. */
  readonly failed?: boolean | undefined;
}

/** Answered lines of batches that aren't finished yet. A line is answered once: what comes later is dropped. */
@Injectable()
export class ResultsRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Which lines from `first` on are answered, of so many. */
  async answeredLines(batch: number, first: number, lines: number): Promise<Set<number>> {
    const rows = await this.#database.db
      .selectFrom('results')
      .select('line')
      .where('batch', '=', batch)
      .where('line', '>=', first)
      .where('line', '<', first + lines)
      .execute();
    return new Set(rows.map(({ line }) => line));
  }

  /** Results behind a line, in order; of a stretch of so many lines at most, and so many results. */
  async page(batch: number, { after, lines, limit, failed }: ResultPage): Promise<LineResult[]> {
    let query = this.#database.db
      .selectFrom('results')
      .selectAll()
      .where('batch', '=', batch)
      .where('line', '>', after)
      .where('line', '<=', after + lines);
    if (failed !== undefined) query = query.where('failed', '=', failed ? 1 : 0);
    const rows = await query.orderBy('line').limit(limit).execute();
    return rows.map(({ line, failed: isFailed, body }) => ({ line, failed: isFailed === 1, body }));
  }

  /**
   * Removes results of a finished batch, at most so many.
   * @returns how many
   */
  async purge(batch: number, limit: number): Promise<number> {
    const { db } = this.#database;
    const { line } = (await db
      .selectFrom('results')
      .select('line')
      .where('batch', '=', batch)
      .orderBy('line')
      .offset(limit)
      .limit(1)
      .executeTakeFirst()) ?? { line: Number.MAX_SAFE_INTEGER };
    const { numDeletedRows } = await db
      .deleteFrom('results')
      .where('batch', '=', batch)
      .where('line', '<', Math.min(line, 2 ** 31 - 1))
      .executeTakeFirst();
    return Number(numDeletedRows);
  }
}

/** @returns how many of them are new */
export async function insertResults(
  db: Kysely<Tables>,
  batch: number,
  results: readonly LineResult[],
): Promise<number> {
  let added = 0;
  for (let from = 0; from < results.length; from += ROWS) {
    const values = results
      .slice(from, from + ROWS)
      .map(({ line, failed, body }) => ({ batch, line, failed: failed ? 1 : 0, body }));
    const { numInsertedOrUpdatedRows = 0n } = await db
      .insertInto('results')
      .values(values)
      .onConflict((conflict) => conflict.columns(['batch', 'line']).doNothing())
      .executeTakeFirst();
    added += Number(numInsertedOrUpdatedRows);
  }
  return added;
}
