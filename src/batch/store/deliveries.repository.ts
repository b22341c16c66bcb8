import { Injectable } from '@nestjs/common';
import { Database } from '../../storage/database.js';
import { UNFINISHED } from '../batch-types.js';

/** Batches whose input lies in a folder, and whose results go to one. */
@Injectable()
export class DeliveriesRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Files that unfinished batches are going to write. */
  async resultPaths(): Promise<Set<string>> {
    const rows = await this.#database.db
      .selectFrom('batches')
      .select('results_path')
      .where('status', 'in', [...UNFINISHED])
      .where('results_path', 'is not', null)
      .execute();
    return new Set(rows.map(({ results_path: path }) => path ?? ''));
  }

  /**
   * Whether a file is to be left alone: a batch of it is under way, or one of this very version has failed, expired or was
   * cancelled. One that is completed was moved away: what lies there now is another file.
   */
  async isTakenUp(path: string, version: string): Promise<boolean> {
    const row = await this.#database.db
      .selectFrom('batches')
      .select('id')
      .where('input_path', '=', path)
      .where((where) =>
        where.or([
          where('status', 'in', [...UNFINISHED]),
          where.and([where('status', '!=', 'completed'), where('input_version', '=', version)]),
        ]),
      )
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Whether a batch of a file isn't finished. */
  async isUnderWay(path: string): Promise<boolean> {
    const row = await this.#database.db
      .selectFrom('batches')
      .select('id')
      .where('input_path', '=', path)
      .where('status', 'in', [...UNFINISHED])
      .executeTakeFirst();
    return row !== undefined;
  }
}
