import { Injectable } from '@nestjs/common';
import type { ExpressionBuilder, Kysely } from 'kysely';
import { Database } from '../../storage/database.js';
import type { ChunkRow, Tables } from '../../storage/tables.js';
import type { Chunk, LeaseState, LineResult } from '../batch-types.js';
import { insertResults } from './results.repository.js';

/** Who holds a chunk, and for how long from now if it isn't renewed. */
export interface Lease {
  /** Id of the worker. */
  readonly owner: string;
  readonly milliseconds: number;
}

export type ChunkKey = Pick<Chunk, 'batch' | 'number'>;

/**
 * Chunks and their leases. A chunk is open, leased or done; a lease that isn't renewed runs out, and somebody else takes the
 * chunk up. Whoever lost one can't write to it any more, so no line gets two answers.
 */
@Injectable()
export class ChunksRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Takes up a chunk that nobody holds, of the oldest batch that has one.
   * @param key this one, if it can be had
   */
  claim({ owner, milliseconds }: Lease, key?: ChunkKey): Promise<Chunk | undefined> {
    const now = Date.now();
    return this.#database.db.transaction().execute(async (transaction) => {
      let query = transaction
        .selectFrom('chunks')
        .innerJoin('batches', 'batches.seq', 'chunks.batch')
        .selectAll('chunks')
        .where((where) => claimable(where, now));
      if (key) query = query.where('batch', '=', key.batch).where('number', '=', key.number);
      if (this.#database.engine === 'postgres') query = query.forUpdate('chunks').skipLocked();
      const row = await query.orderBy('batch').orderBy('number').limit(1).executeTakeFirst();
      if (!row) return undefined;
      await transaction
        .updateTable('chunks')
        .set({
          state: 'leased',
          lease_owner: owner,
          lease_until: now + milliseconds,
          attempts: row.attempts + 1,
        })
        .where('batch', '=', row.batch)
        .where('number', '=', row.number)
        .execute();
      return toChunk({ ...row, attempts: row.attempts + 1 });
    });
  }

  /** Chunks that nobody holds, oldest batch first, with how often each was taken up before. */
  async claimable(limit: number): Promise<Chunk[]> {
    const rows = await this.#database.db
      .selectFrom('chunks')
      .innerJoin('batches', 'batches.seq', 'chunks.batch')
      .selectAll('chunks')
      .where((where) => claimable(where, Date.now()))
      .orderBy('batch')
      .orderBy('number')
      .limit(limit)
      .execute();
    return rows.map(toChunk);
  }

  /** Keeps a chunk, and tells whether to go on. */
  async renew(key: ChunkKey, { owner, milliseconds }: Lease): Promise<LeaseState> {
    return this.#database.db
      .transaction()
      .execute((transaction) =>
        this.#touch(transaction, key, owner, { lease_until: Date.now() + milliseconds }),
      );
  }

  /**
   * Writes answers and renews the lease, in one transaction.
   * @param last whether these are the last ones: the chunk is done
   */
  async record(
    key: ChunkKey,
    { owner, milliseconds }: Lease,
    results: readonly LineResult[],
    last: boolean,
  ): Promise<LeaseState> {
    const state = last ? 'done' : 'leased';
    return this.#database.db.transaction().execute(async (transaction) => {
      const lease = await this.#touch(transaction, key, owner, {
        state,
        lease_until: last ? 0 : Date.now() + milliseconds,
      });
      if (lease === 'lost') return lease;
      const added = await insertResults(transaction, key.batch, results);
      if (added > 0)
        await transaction
          .updateTable('chunks')
          .set((set) => ({
            answered: set('answered', '+', added),
            failed: set('failed', '+', results.filter(({ failed }) => failed).length),
          }))
          .where('batch', '=', key.batch)
          .where('number', '=', key.number)
          .execute();
      return lease;
    });
  }

  /** Gives a chunk back unfinished, so that it needn't run out. */
  async release({ batch, number }: ChunkKey, owner: string): Promise<void> {
    await this.#database.db
      .updateTable('chunks')
      .set({ state: 'open', lease_owner: null, lease_until: 0 })
      .where('batch', '=', batch)
      .where('number', '=', number)
      .where('lease_owner', '=', owner)
      .where('state', '=', 'leased')
      .execute();
  }

  /** @returns `lost`, if it isn't the owner's: nothing was changed then */
  async #touch(
    db: Kysely<Tables>,
    { batch, number }: ChunkKey,
    owner: string,
    change: { readonly lease_until: number; readonly state?: 'done' | 'leased' },
  ): Promise<LeaseState> {
    const { numUpdatedRows } = await db
      .updateTable('chunks')
      .set(change)
      .where('batch', '=', batch)
      .where('number', '=', number)
      .where('lease_owner', '=', owner)
      .where('state', '=', 'leased')
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return 'lost';
    const { status } = await db
      .selectFrom('batches')
      .select('status')
      .where('seq', '=', batch)
      .executeTakeFirstOrThrow();
    return status === 'in_progress' ? 'held' : 'stopped';
  }
}

/** Of a batch that runs: open, or held by somebody who is gone. */
function claimable(where: ExpressionBuilder<Tables, 'chunks' | 'batches'>, now: number) {
  return where.and([
    where('batches.status', '=', 'in_progress'),
    where.or([
      where('chunks.state', '=', 'open'),
      where.and([where('chunks.state', '=', 'leased'), where('chunks.lease_until', '<', now)]),
    ]),
  ]);
}

function toChunk(row: ChunkRow): Chunk {
  const { batch, number, lines, attempts } = row;
  return {
    batch,
    number,
    firstLine: row.first_line,
    lines,
    byteStart: row.byte_start,
    byteLength: row.byte_length,
    attempts,
  };
}
