import { join } from 'node:path';
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest';
import { Database, type DatabaseLocation } from '../../../src/storage/database.js';
import { migrate } from '../../../src/storage/migrate.js';
import { HAS_POSTGRES, TestPostgres } from '../../support/postgres.js';
import { INSTALL_SERVICES } from '../../support/service-process.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';

/**
 * An empty database of a test's own, as several servers have it open. On SQLite they share one connection: of two in one process
 * each would wait for the other, and nothing would go on.
 */
export type FreshDatabase = (servers: number) => Promise<readonly Database[]>;

async function openFor(location: DatabaseLocation, servers: number): Promise<readonly Database[]> {
  const first = await Database.open(location);
  await migrate(first);
  const others = Array.from({ length: servers - 1 }, () =>
    location.engine === 'sqlite' ? Promise.resolve(first) : Database.open(location),
  );
  const all = [first, ...(await Promise.all(others))];
  onTestFinished(async () => {
    for (const database of new Set(all)) await database.close();
  });
  return all;
}

/** The same tests over both kinds of database. */
export function describeOnBoth(name: string, tests: (fresh: FreshDatabase) => void): void {
  describe(`${name}, on SQLite`, () => {
    tests((servers) => openFor({ engine: 'sqlite', path: join(temporaryFolder(), 'test.db') }, servers));
  });

  describe.skipIf(!HAS_POSTGRES)(
    `${name}, on Postgres${HAS_POSTGRES ? '' : ` (skipped: ${INSTALL_SERVICES})`}`,
    () => {
      let postgres: TestPostgres;
      beforeAll(async () => {
        postgres = await TestPostgres.start();
      });
      afterAll(() => postgres.dispose());
      tests(async (servers) =>
        openFor({ engine: 'postgres', url: await postgres.createDatabase() }, servers),
      );
    },
  );
}
