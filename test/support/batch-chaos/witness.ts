import { Database, type DatabaseLocation } from '../../../src/storage/database.js';

/** A batch as the database has it. */
export interface BatchState {
  readonly status: string;
  readonly total: number;
  readonly answered: number;
  /** Workers that hold a chunk of it, or its stage. */
  readonly holders: ReadonlySet<string>;
}

/** Looks at the tables from outside, also while servers are dead. */
export class Witness {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  static async open(location: DatabaseLocation): Promise<Witness> {
    return new Witness(await Database.open(location));
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  /** Undefined: the database is away. */
  async state(id: string): Promise<BatchState | undefined> {
    try {
      return await this.#read(id);
    } catch {
      return undefined;
    }
  }

  /** Lines whose answer is recorded. */
  async answeredLines(id: string): Promise<number[]> {
    const rows = await this.#database.db
      .selectFrom('results')
      .innerJoin('batches', 'batches.seq', 'results.batch')
      .select('line')
      .where('batches.id', '=', id)
      .execute();
    return rows.map(({ line }) => line);
  }

  /** What the server process of this id calls itself. */
  async workerOf(pid: number): Promise<string | undefined> {
    const row = await this.#database.db
      .selectFrom('workers')
      .select('id')
      .where('pid', '=', pid)
      .orderBy('started_at', 'desc')
      .executeTakeFirst();
    return row?.id;
  }

  async #read(id: string): Promise<BatchState> {
    const { db } = this.#database;
    const batch = await db.selectFrom('batches').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    const chunks = await db
      .selectFrom('chunks')
      .select(['state', 'answered', 'lease_owner'])
      .where('batch', '=', batch.seq)
      .execute();
    const counted = chunks.reduce((sum, { answered }) => sum + answered, 0);
    const holders = chunks.filter(({ state }) => state === 'leased').map(({ lease_owner }) => lease_owner);
    return {
      status: batch.status,
      total: batch.total,
      answered: batch.completed === null ? counted : batch.completed + (batch.failed ?? 0),
      holders: new Set([...holders, batch.lease_owner].filter((owner) => owner !== null)),
    };
  }
}
