import { Injectable } from '@nestjs/common';
import { Database } from '../../storage/database.js';
import type { WorkerRow } from '../../storage/tables.js';

export type { WorkerRow };

/** The processes that share the work, each with the time of its last sign of life. */
@Injectable()
export class WorkersRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** A sign of life. */
  async beat(worker: Omit<WorkerRow, 'seen_at'>): Promise<void> {
    const seen = { seen_at: Date.now() };
    await this.#database.db
      .insertInto('workers')
      .values({ ...worker, ...seen })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(seen))
      .execute();
  }

  /** Those that gave a sign of life in the last so many milliseconds, the oldest process first. */
  async seen(sinceMs: number): Promise<WorkerRow[]> {
    return this.#database.db
      .selectFrom('workers')
      .selectAll()
      .where('seen_at', '>=', Date.now() - sinceMs)
      .orderBy('started_at')
      .orderBy('id')
      .execute();
  }

  /** At the end of its process. */
  async remove(id: string): Promise<void> {
    await this.#database.db.deleteFrom('workers').where('id', '=', id).execute();
  }

  /** Forgets processes that were killed, and have been silent for so many milliseconds. */
  async forgetSilent(sinceMs: number): Promise<void> {
    await this.#database.db
      .deleteFrom('workers')
      .where('seen_at', '<', Date.now() - sinceMs)
      .execute();
  }
}
