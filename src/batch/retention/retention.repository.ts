import { Injectable } from '@nestjs/common';
import type { ExpressionBuilder } from 'kysely';
import { Database } from '../../storage/database.js';
import type { Tables } from '../../storage/tables.js';
import type { ScheduleSource } from '../batch-options.interface.js';
import { UNFINISHED } from '../batch-types.js';

/** What may go: asked and done in one statement, so that nothing goes that is needed by then. */
@Injectable()
export class RetentionRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Forgets files whose time is over, that no unfinished batch reads and no schedule names.
   * @returns their ids: the content may go
   */
  async deleteExpiredFiles(now: number, limit: number): Promise<string[]> {
    const scheduled = await this.#scheduledFiles();
    const mayGo = (where: ExpressionBuilder<Tables, 'files'>) => {
      const conditions = [where('expires_at', '<', now), isUnread(where)];
      if (scheduled.length > 0) conditions.push(where('id', 'not in', scheduled));
      return where.and(conditions);
    };
    const rows = await this.#database.db
      .deleteFrom('files')
      .where('id', 'in', (where) =>
        where.selectFrom('files').select('id').where(mayGo).orderBy('expires_at').limit(limit),
      )
      .where(mayGo)
      .returning('id')
      .execute();
    return rows.map(({ id }) => id);
  }

  /** Which of these files there are. */
  async listedFiles(ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#database.db
      .selectFrom('files')
      .select('id')
      .where('id', 'in', [...ids])
      .execute();
    return new Set(rows.map(({ id }) => id));
  }

  /** Ids of the unfinished batches, and the keys of what they inflated. */
  async inUse(): Promise<{ batchIds: string[]; keys: Set<string> }> {
    const rows = await this.#database.db
      .selectFrom('batches')
      .select(['id', 'plain_key'])
      .where('status', 'in', [...UNFINISHED])
      .execute();
    return {
      batchIds: rows.map(({ id }) => id),
      keys: new Set(rows.flatMap(({ plain_key: key }) => (key === null ? [] : [key]))),
    };
  }

  async #scheduledFiles(): Promise<string[]> {
    const rows = await this.#database.db.selectFrom('schedules').select('source').execute();
    return rows.flatMap(({ source }) => {
      const parsed = JSON.parse(source) as ScheduleSource;
      return parsed.kind === 'file' ? [parsed.fileId] : [];
    });
  }
}

function isUnread(where: ExpressionBuilder<Tables, 'files'>) {
  return where.not(
    where.exists(
      where
        .selectFrom('batches')
        .select('seq')
        .whereRef('batches.input_file_id', '=', 'files.id')
        .where('status', 'in', [...UNFINISHED]),
    ),
  );
}
