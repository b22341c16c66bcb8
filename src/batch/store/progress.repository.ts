import { Injectable } from '@nestjs/common';
import { Database } from '../../storage/database.js';

/** A chunk that somebody works on, and how far they are. */
export interface RunningChunk {
  readonly firstLine: number;
  readonly lastLine: number;
  /** Lines of it that are answered. */
  readonly answered: number;
  readonly worker: {
    readonly id: string;
    /** Null: it doesn't tell of itself any more. */
    readonly host: string | null;
    readonly pid: number | null;
  };
}

/** How many chunks of a batch are in which state, and those that are worked on. */
export interface ChunkProgress {
  /** Those of workers that are gone included. */
  readonly open: number;
  readonly running: number;
  readonly done: number;
  readonly current: readonly RunningChunk[];
}

/** What an operator wants to know of a batch while it runs. It only reads. */
@Injectable()
export class ProgressRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @param batch `Batch.seq` */
  async chunks(batch: number): Promise<ChunkProgress> {
    const { db } = this.#database;
    const states = await db
      .selectFrom('chunks')
      .select(({ fn }) => ['state', fn.countAll<number>().as('chunks')])
      .where('batch', '=', batch)
      .groupBy('state')
      .execute();
    const leased = await db
      .selectFrom('chunks')
      .leftJoin('workers', 'workers.id', 'chunks.lease_owner')
      .select(['first_line', 'lines', 'answered', 'lease_owner', 'host', 'pid'])
      .where('batch', '=', batch)
      .where('state', '=', 'leased')
      .where('lease_until', '>=', Date.now())
      .orderBy('number')
      .execute();
    const inState = (state: string): number =>
      states.find(({ state: known }) => known === state)?.chunks ?? 0;
    return {
      open: inState('open') + inState('leased') - leased.length,
      running: leased.length,
      done: inState('done'),
      current: leased.map(({ first_line, lines, answered, lease_owner, host, pid }) => ({
        firstLine: first_line,
        lastLine: first_line + lines - 1,
        answered,
        worker: { id: lease_owner ?? '', host, pid },
      })),
    };
  }
}
