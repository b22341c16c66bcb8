import { Migrator, type Kysely, type Migration } from 'kysely';
import { messageOf } from '../engine/errors.js';
import { StartError } from '../start-error.js';
import type { Database, DatabaseEngine } from './database.js';
import { createBatches } from './migrations/0001-batches.js';

/** In the order of their names; each runs once, in a transaction. */
const MIGRATIONS: Readonly<Record<string, (db: Kysely<unknown>, engine: DatabaseEngine) => Promise<void>>> = {
  '0001-batches': createBatches,
};

/**
 * Brings the tables up to date. Safe when several processes start at once: the first does it, the others wait. On Postgres
 * by Kysely's advisory lock; on SQLite because transactions begin with the write lock.
 * @throws StartError if the tables belong to a newer version
 */
export async function migrate({ db, engine }: Database): Promise<void> {
  const entries = Object.entries(MIGRATIONS).map(([name, up]): [string, Migration] => [
    name,
    { up: (inside) => up(inside, engine) },
  ]);
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => Object.fromEntries(entries) },
    migrationTableName: 'resident_migrations',
    migrationLockTableName: 'resident_migrations_lock',
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  throw new StartError(`The tables of the batches can't be brought up to date: ${messageOf(error)}`, {
    cause: error,
  });
}
