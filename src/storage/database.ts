import Sqlite from 'libsql';
import {
  CompiledQuery,
  Kysely,
  PostgresDialect,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  type DatabaseConnection,
  type DialectAdapter,
  type Driver,
  type SqliteDatabase,
  type SqliteStatement,
} from 'kysely';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Pool, types } from 'pg';
import { messageOf } from '../engine/errors.js';
import { StartError } from '../start-error.js';
import type { Tables } from './tables.js';

export type DatabaseEngine = 'sqlite' | 'postgres';

/** Where the tables are: a file of this machine, or a server that several machines share. */
export type DatabaseLocation =
  | { readonly engine: 'sqlite'; readonly path: string }
  | { readonly engine: 'postgres'; readonly url: string };

/** How long a writer waits for another process that writes to the same file, in milliseconds. */
const BUSY_MS = 10_000;
/** Connections to Postgres of one process. */
const POOL = 8;

/** One connection to the tables for the whole process, and which kind of database it is. */
export class Database {
  private constructor(
    readonly engine: DatabaseEngine,
    readonly db: Kysely<Tables>,
  ) {}

  /**
   * Opens the database; its tables may not be there yet (see `migrate`).
   * @throws StartError
   */
  static async open(location: DatabaseLocation): Promise<Database> {
    switch (location.engine) {
      case 'sqlite':
        return new Database('sqlite', new Kysely({ dialect: new ImmediateSqlite(location.path) }));
      case 'postgres': {
        const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: postgresPool(location.url) }) });
        await connect(db, location.url);
        return new Database('postgres', db);
      }
      default:
        return location satisfies never;
    }
  }

  close(): Promise<void> {
    return this.db.destroy();
  }
}

/**
 * Transactions take the write lock when they begin. One that begins with a read can't get it later if another process wrote in
 * between, and no timeout helps (SQLITE_BUSY_SNAPSHOT).
 */
class ImmediateSqlite extends SqliteDialect {
  readonly #path: string;

  constructor(path: string) {
    super({ database: () => openSqlite(path) });
    this.#path = path;
  }

  override createDriver(): Driver {
    return new ImmediateDriver({ database: () => openSqlite(this.#path) });
  }

  override createAdapter(): DialectAdapter {
    return new TransactionalAdapter();
  }
}

/** SQLite's transactions hold changes of tables as well: Kysely runs migrations in one then. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
}

/** Write-ahead log, and a sync for each commit: what was acknowledged is there after a power failure. */
async function openSqlite(path: string): Promise<SqliteDatabase> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const database = new Sqlite(path, { timeout: BUSY_MS });
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    return new PreparedOnce(database);
  } catch (error) {
    throw new StartError(
      `The database ${path} can't be opened: ${messageOf(error)}. Is its folder writable?`,
      {
        cause: error,
      },
    );
  }
}

/** Statements that are kept: more than there are different ones, but for how many rows they insert. */
const MOST_STATEMENTS = 64;

/** Keeps statements prepared: those that insert many rows take longer to prepare than to run. */
class PreparedOnce implements SqliteDatabase {
  readonly #database: Sqlite.Database;
  readonly #statements = new Map<string, SqliteStatement>();

  constructor(database: Sqlite.Database) {
    this.#database = database;
  }

  prepare(sql: string): SqliteStatement {
    const kept = this.#statements.get(sql);
    const statement = kept ?? this.#database.prepare(sql);
    // the one that was asked for last is the last to go
    this.#statements.delete(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > MOST_STATEMENTS) {
      const [oldest = sql] = this.#statements.keys();
      this.#statements.delete(oldest);
    }
    return statement;
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}

function postgresPool(url: string): Pool {
  const pool = new Pool({
    connectionString: url,
    max: POOL,
    connectionTimeoutMillis: 5000,
    types: { getTypeParser: (oid, format) => bigintAsNumber(oid) ?? types.getTypeParser(oid, format) },
  });
  // an idle connection that the server closed; the next query opens another one
  pool.on('error', () => undefined);
  // one that is in use, between two queries: the next one fails, and that is handled; unheard, it would end the process
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

const BIGINT = 20;
const NUMERIC = 1700;

/** Counts, sizes and times are far below 2^53. */
function bigintAsNumber(oid: number): ((text: string) => number) | undefined {
  return oid === BIGINT || oid === NUMERIC ? Number : undefined;
}

async function connect(db: Kysely<Tables>, url: string): Promise<void> {
  try {
    await db.executeQuery(CompiledQuery.raw('select 1'));
  } catch (error) {
    await db.destroy();
    throw new StartError(
      `The Postgres database of DATABASE_URL (${withoutPassword(url)}) can't be reached: ${messageOf(error)}. Start it, or leave DATABASE_URL out to use a file.`,
      { cause: error },
    );
  }
}

function withoutPassword(url: string): string {
  return url.replace(/:\/\/([^:@/]*):[^@/]*@/, '://$1:***@');
}
