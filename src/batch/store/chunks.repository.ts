import { Injectable } from '@nestjs/common';
import type { ExpressionBuilder, Kysely } from 'kysely';
import { Database } from '../../storage/database.js';
import type { ChunkRow, Tables } from '../../storage/tables.js';
import type { Chunk, LeaseState, LineResult } from '../batch-types.js';
import { SEVERAL_MODELS } from './batch-rows.js';
import { insertResults } from './results.repository.js';

/** Who holds a chunk, and for how long from now if it isn't renewed. */
export interface Lease {
  /** Id of the worker. */
  readonly owner: string;
  readonly milliseconds: number;
}

export type ChunkKey = Pick<Chunk, 'batch' | 'number'>;

/** Any chunk but those of these batches. */
export interface Except {
  readonly except?: readonly number[];
}

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
   * @param which this one, if it can be had; or any but those of these batches
   */
  claim({ owner, milliseconds }: Lease, which: ChunkKey | Except = {}): Promise<Chunk | undefined> {
    const now = Date.now();
    return this.#database.db.transaction().execute(async (transaction) => {
      let query = claimable(transaction, which, now);
      // the batch, too: it can't end between this look at it and the claim
      if (this.#database.engine === 'postgres')
        query = query.forUpdate('chunks').skipLocked().forShare('batches');
      const row = await query.limit(1).executeTakeFirst();
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
    const rows = await claimable(this.#database.db, {}, Date.now()).limit(limit).execute();
    return rows.map(toChunk);
  }

  /** Chunks of a batch that have unanswered lines, in order. */
  async unanswered(batch: number): Promise<Chunk[]> {
    const rows = await this.#database.db
      .selectFrom('chunks')
      .selectAll()
      .where('batch', '=', batch)
      .whereRef('answered', '<', 'lines')
      .orderBy('number')
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
          .set((set) => ({ ...additions(set, results), answered: set('answered', '+', added) }))
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

/** Of batches that run: open, or held by somebody who is gone. */
function claimable(db: Kysely<Tables>, which: ChunkKey | Except, now: number) {
  const query = db
    .selectFrom('chunks')
    .innerJoin('batches', 'batches.seq', 'chunks.batch')
    .selectAll('chunks')
    .where('batches.status', '=', 'in_progress')
    .where((where) =>
      where.or([
        where('chunks.state', '=', 'open'),
        where.and([where('chunks.state', '=', 'leased'), where('chunks.lease_until', '<', now)]),
      ]),
    )
    .orderBy('batch')
    .orderBy('number');
  if ('number' in which) return query.where('batch', '=', which.batch).where('number', '=', which.number);
  const { except = [] } = which;
  return except.length === 0 ? query : query.where('batch', 'not in', [...except]);
}

/** What results add to the sums of their chunk. */
function additions(set: ExpressionBuilder<Tables, 'chunks'>, results: readonly LineResult[]) {
  const sums = { failed: 0, prompt_tokens: 0, cached_tokens: 0, completion_tokens: 0 };
  const models = new Set<string>();
  for (const { failed, usage, model } of results) {
    if (failed) sums.failed++;
    if (model !== undefined) models.add(model);
    if (!usage) continue;
    sums.prompt_tokens += usage.promptTokens;
    sums.cached_tokens += usage.cachedTokens;
    sums.completion_tokens += usage.completionTokens;
  }
  const [first] = models;
  const model = models.size > 1 ? SEVERAL_MODELS : first;
  return {
    failed: set('failed', '+', sums.failed),
    prompt_tokens: set('prompt_tokens', '+', sums.prompt_tokens),
    cached_tokens: set('cached_tokens', '+', sums.cached_tokens),
    completion_tokens: set('completion_tokens', '+', sums.completion_tokens),
    ...(model === undefined
      ? {}
      : { model: set.case().when(sameOrNone(set, model)).then(model).else(SEVERAL_MODELS).end() }),
  };
}

function sameOrNone(set: ExpressionBuilder<Tables, 'chunks'>, model: string) {
  return set.or([set('model', 'is', null), set('model', '=', model)]);
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
