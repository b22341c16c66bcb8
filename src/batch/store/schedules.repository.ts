import { Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';
import { Database } from '../../storage/database.js';
import type { ScheduleRow, Tables } from '../../storage/tables.js';
import type { MissedRuns, ScheduleOptions, ScheduleSource } from '../batch-options.interface.js';
import { UNFINISHED } from '../batch-types.js';
import {
  outcomeText,
  type RunOutcome,
  type Schedule,
  type ScheduleOrigin,
} from '../schedules/schedule-types.js';
import type { Lease } from './chunks.repository.js';
import { newId } from './ids.js';

/**
 * Schedules. Whoever starts a run holds the lease of its schedule meanwhile: with several servers each run happens once, and one
 * whose server was killed is started by another.
 */
@Injectable()
export class SchedulesRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @returns undefined: there is one of that name */
  async insert(
    options: ScheduleOptions,
    origin: ScheduleOrigin,
    { paused, nextRunAt }: Pick<Schedule, 'paused' | 'nextRunAt'>,
  ): Promise<Schedule | undefined> {
    const row = await this.#database.db
      .insertInto('schedules')
      .values({
        ...toColumns(options),
        id: newId('sched_'),
        origin,
        created_at: Date.now(),
        paused: paused ? 1 : 0,
        next_run_at: nextRunAt,
        lease_until: 0,
      })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .returningAll()
      .executeTakeFirst();
    return row && toSchedule(row);
  }

  /** By name. */
  async list(): Promise<Schedule[]> {
    const rows = await this.#database.db.selectFrom('schedules').selectAll().orderBy('name').execute();
    return rows.map(toSchedule);
  }

  async find(idOrName: string): Promise<Schedule | undefined> {
    const row = await this.#database.db
      .selectFrom('schedules')
      .selectAll()
      .where((where) => where.or([where('id', '=', idOrName), where('name', '=', idOrName)]))
      .executeTakeFirst();
    return row && toSchedule(row);
  }

  /** @returns undefined: there is none, by now */
  async update(
    id: string,
    options: ScheduleOptions,
    nextRunAt: number | null,
  ): Promise<Schedule | undefined> {
    return this.#update(id, { ...toColumns(options), next_run_at: nextRunAt });
  }

  /** @returns undefined: there is none, by now */
  async setPaused(id: string, paused: boolean, nextRunAt: number | null): Promise<Schedule | undefined> {
    return this.#update(id, { paused: paused ? 1 : 0, next_run_at: nextRunAt });
  }

  /** @returns whether it was there */
  async delete(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.#database.db
      .deleteFrom('schedules')
      .where('id', '=', id)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /** Takes up a schedule whose time has come, and that nobody is starting. */
  async claimDue({ owner, milliseconds }: Lease): Promise<Schedule | undefined> {
    const now = Date.now();
    const due = (db: Kysely<Tables>) =>
      db
        .selectFrom('schedules')
        .selectAll()
        .where('paused', '=', 0)
        .where('next_run_at', '<=', now)
        .where('lease_until', '<', now)
        .limit(1);
    // most of the time there is none: that much is read without a lock
    if (!(await due(this.#database.db).executeTakeFirst())) return undefined;
    return this.#database.db.transaction().execute(async (transaction) => {
      let query = due(transaction);
      if (this.#database.engine === 'postgres') query = query.forUpdate().skipLocked();
      const row = await query.orderBy('next_run_at').executeTakeFirst();
      if (!row) return undefined;
      await transaction
        .updateTable('schedules')
        .set({ lease_owner: owner, lease_until: now + milliseconds })
        .where('id', '=', row.id)
        .execute();
      return toSchedule(row);
    });
  }

  /** Takes up one of them now. @returns false: somebody is starting it, or it is gone */
  async claim(id: string, { owner, milliseconds }: Lease): Promise<boolean> {
    const now = Date.now();
    const { numUpdatedRows } = await this.#database.db
      .updateTable('schedules')
      .set({ lease_owner: owner, lease_until: now + milliseconds })
      .where('id', '=', id)
      .where('lease_until', '<', now)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** @returns false: it isn't the owner's any more */
  async renew(id: string, { owner, milliseconds }: Lease): Promise<boolean> {
    const { numUpdatedRows } = await this.#database.db
      .updateTable('schedules')
      .set({ lease_until: Date.now() + milliseconds })
      .where('id', '=', id)
      .where('lease_owner', '=', owner)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /**
   * The end of a run, whatever came of it; gives the schedule back.
   * @param next the time of the run after it, of the schedule as it is by now
   */
  async endRun(
    id: string,
    owner: string,
    outcome: RunOutcome,
    next: (schedule: Schedule) => number | null,
  ): Promise<void> {
    const lastBatchId = outcome.kind === 'started' ? outcome.batchIds.at(-1) : undefined;
    await this.#database.db.transaction().execute(async (transaction) => {
      const row = await this.#lockOwned(transaction, id, owner);
      if (!row) return;
      await transaction
        .updateTable('schedules')
        .set({
          next_run_at: next(toSchedule(row)),
          last_outcome: outcomeText(outcome),
          ...(outcome.kind === 'skipped' ? {} : { last_run_at: Date.now() }),
          ...(lastBatchId === undefined ? {} : { last_batch_id: lastBatchId }),
          lease_owner: null,
          lease_until: 0,
        })
        .where('id', '=', id)
        .execute();
    });
  }

  /** Gives a schedule back as it was: its run is still to come. */
  async release(id: string, owner: string): Promise<void> {
    await this.#database.db
      .updateTable('schedules')
      .set({ lease_owner: null, lease_until: 0 })
      .where('id', '=', id)
      .where('lease_owner', '=', owner)
      .execute();
  }

  /** Id of a batch of the schedule that isn't finished. */
  async unfinishedBatch(id: string): Promise<string | undefined> {
    const row = await this.#database.db
      .selectFrom('batches')
      .select('id')
      .where('schedule_id', '=', id)
      .where('status', 'in', [...UNFINISHED])
      .executeTakeFirst();
    return row?.id;
  }

  /** Id of the batch that was made for one time of the schedule. */
  async batchOfRun(id: string, runAt: number): Promise<string | undefined> {
    const row = await this.#database.db
      .selectFrom('batches')
      .select('id')
      .where('schedule_id', '=', id)
      .where('schedule_run_at', '=', runAt)
      .executeTakeFirst();
    return row?.id;
  }

  async #update(id: string, columns: Partial<ScheduleRow>): Promise<Schedule | undefined> {
    const row = await this.#database.db
      .updateTable('schedules')
      .set(columns)
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirst();
    return row && toSchedule(row);
  }

  #lockOwned(db: Kysely<Tables>, id: string, owner: string): Promise<ScheduleRow | undefined> {
    let query = db.selectFrom('schedules').selectAll().where('id', '=', id).where('lease_owner', '=', owner);
    if (this.#database.engine === 'postgres') query = query.forUpdate();
    return query.executeTakeFirst();
  }
}

function toColumns(options: ScheduleOptions) {
  return {
    name: options.name,
    cron: options.cron,
    time_zone: options.timeZone,
    source: JSON.stringify(options.source),
    endpoint: options.endpoint,
    options: JSON.stringify({ metadata: options.metadata }),
    timeout_seconds: options.timeoutSeconds,
    missed_runs: options.missedRuns,
  };
}

function toSchedule(row: ScheduleRow): Schedule {
  const { metadata } = JSON.parse(row.options) as Pick<ScheduleOptions, 'metadata'>;
  return {
    id: row.id,
    name: row.name,
    cron: row.cron,
    timeZone: row.time_zone,
    source: JSON.parse(row.source) as ScheduleSource,
    endpoint: row.endpoint,
    metadata,
    timeoutSeconds: row.timeout_seconds,
    missedRuns: row.missed_runs as MissedRuns,
    paused: row.paused === 1,
    origin: row.origin as ScheduleOrigin,
    createdAt: row.created_at,
    nextRunAt: row.next_run_at,
    lastRunAt: row.last_run_at,
    lastOutcome: row.last_outcome,
    lastBatchId: row.last_batch_id,
  };
}
