import { Injectable } from '@nestjs/common';
import { hostname } from 'node:os';
import { Database } from '../../storage/database.js';
import type { WorkerRow } from '../../storage/tables.js';
import { isAlive } from '../is-alive.js';

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

  /** Those that gave a sign of life in the last so many milliseconds and weren't killed here since, the oldest process first. */
  async seen(sinceMs: number): Promise<WorkerRow[]> {
    const rows = await this.#database.db
      .selectFrom('workers')
      .selectAll()
      .where('seen_at', '>=', Date.now() - sinceMs)
      .orderBy('started_at')
      .orderBy('id')
      .execute();
    const here = hostname();
    return rows.filter(({ host, pid }) => host !== here || isAlive(pid));
  }

  /** Those that said that they run on a host. */
  async on(host: string): Promise<WorkerRow[]> {
    return this.#database.db.selectFrom('workers').selectAll().where('host', '=', host).execute();
  }

  /** Forgets a process that is gone, and frees what it held, so that nobody waits until its leases run out. */
  async bury(id: string): Promise<void> {
    await this.#database.db.transaction().execute(async (transaction) => {
      await transaction
        .updateTable('chunks')
        .set({ state: 'open', lease_owner: null, lease_until: 0 })
        .where('lease_owner', '=', id)
        .where('state', '=', 'leased')
        .execute();
      const free = { lease_owner: null, lease_until: 0 };
      for (const table of ['batches', 'schedules'] as const)
        await transaction.updateTable(table).set(free).where('lease_owner', '=', id).execute();
      await transaction.deleteFrom('workers').where('id', '=', id).execute();
    });
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
