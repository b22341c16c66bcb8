/** A process that brings the tables up to date, for tests that start several: `migrate-process.ts LOCATION`. */
import { Database, type DatabaseLocation } from '../../../../src/storage/database.js';
import { migrate } from '../../../../src/storage/migrate.js';

const database = await Database.open(JSON.parse(process.argv[2] as string) as DatabaseLocation);
await migrate(database);
await database.close();
