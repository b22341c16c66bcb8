import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { Database, type DatabaseLocation } from '../../../../src/storage/database.js';
import { migrate } from '../../../../src/storage/migrate.js';
import { HAS_POSTGRES, TestPostgres } from '../../../support/postgres.js';
import { INSTALL_SERVICES } from '../../../support/service-process.js';

/** Makes empty databases of one kind. */
export interface Databases {
  /** Where one is whose tables aren't made yet. */
  location(): Promise<DatabaseLocation>;
  /** One with tables; closed at the end. */
  open(): Promise<Database>;
}

/** Runs the same tests over SQLite and over Postgres. */
export function describeDatabases(name: string, tests: (databases: Databases) => void): void {
  describe(`${name}, in SQLite`, () => {
    let folder: string;
    let made = 0;
    beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'resident-sqlite-'))));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    tests(databasesAt(async () => ({ engine: 'sqlite', path: join(folder, `${++made}.db`) })));
  });
  const skipped = HAS_POSTGRES ? '' : ` (skipped; to run it: ${INSTALL_SERVICES})`;
  describe.skipIf(!HAS_POSTGRES)(`${name}, in Postgres${skipped}`, () => {
    let server: TestPostgres;
    beforeAll(async () => void (server = await TestPostgres.start()));
    afterAll(() => server.dispose());
    tests(databasesAt(async () => ({ engine: 'postgres', url: await server.createDatabase() })));
  });
}

function databasesAt(location: Databases['location']): Databases {
  const opened: Database[] = [];
  afterAll(async () => void (await Promise.all(opened.map((database) => database.close()))));
  return {
    location,
    async open() {
      const database = await Database.open(await location());
      opened.push(database);
      await migrate(database);
      return database;
    },
  };
}
