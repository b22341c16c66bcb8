import { Injectable, Logger } from '@nestjs/common';
import { CancelledError, InvalidRequestError, messageOf } from '../../engine/errors.js';
import { orAborted } from '../execution/aborts.js';
import { LEASE_MS, RENEW_MS } from '../execution/execution.constants.js';
import { SchedulesRepository } from '../store/schedules.repository.js';
import { WorkerIdentity } from '../worker-identity.js';
import { followingRun } from './cron-times.js';
import { decideRun, decideStart } from './decide-run.js';
import { ScheduleRuns } from './schedule-runs.js';
import { outcomeText, type RunOutcome, type Schedule } from './schedule-types.js';

/** Runs of schedules, from the lease to what is written of them. */
@Injectable()
export class ScheduleRunner {
  readonly #log = new Logger('Schedules');
  readonly #schedules: SchedulesRepository;
  readonly #runs: ScheduleRuns;
  readonly #lease: { readonly owner: string; readonly milliseconds: number };

  constructor(schedules: SchedulesRepository, runs: ScheduleRuns, { id }: WorkerIdentity) {
    this.#schedules = schedules;
    this.#runs = runs;
    this.#lease = { owner: id, milliseconds: LEASE_MS };
  }

  /** Takes up a schedule whose time has come; whoever gets one runs it. */
  claimDue(): Promise<Schedule | undefined> {
    return this.#schedules.claimDue(this.#lease);
  }

  /** One that `claimDue` gave. Never rejects, unless the database is away: it is due again then. */
  async runDue(schedule: Schedule, ending: AbortSignal): Promise<void> {
    const { id } = schedule;
    const { owner } = this.#lease;
    const dueAt = schedule.nextRunAt ?? Date.now();
    try {
      const outcome = await this.#held(id, ending, (signal) => this.#outcomeOfDue(schedule, dueAt, signal));
      this.#tell(schedule, outcome);
      await this.#schedules.endRun(id, owner, outcome, ({ cron, timeZone, paused }) =>
        paused ? null : followingRun(cron, timeZone, dueAt, Date.now()),
      );
    } catch (error) {
      if (!(error instanceof CancelledError)) throw error;
      await this.#schedules.release(id, owner);
    }
  }

  /**
   * Runs a schedule that somebody asks for, paused or not; its next run stays where it is.
   * @throws InvalidRequestError `conflict`, if the run before it isn't finished; whatever keeps it from beginning
   */
  async runNow(schedule: Schedule, ending: AbortSignal): Promise<void> {
    const { id, name } = schedule;
    const { owner } = this.#lease;
    if (!(await this.#schedules.claim(id, this.#lease)))
      throw new InvalidRequestError('conflict', `A run of the schedule '${name}' is just beginning.`);
    try {
      const decision = decideStart(schedule, await this.#schedules.unfinishedBatch(id));
      if (!decision.run) throw new InvalidRequestError('conflict', `It was not run: ${decision.reason}.`);
      const outcome = await this.#held(id, ending, (signal) => this.#start(schedule, undefined, signal));
      this.#tell(schedule, outcome);
      await this.#schedules.endRun(id, owner, outcome, ({ nextRunAt }) => nextRunAt);
    } catch (error) {
      await this.#schedules.release(id, owner);
      throw error;
    }
  }

  async #outcomeOfDue(schedule: Schedule, dueAt: number, signal: AbortSignal): Promise<RunOutcome> {
    const { id } = schedule;
    // of a server that was killed before it could write that
    const made = await this.#schedules.batchOfRun(id, dueAt);
    if (made !== undefined) return { kind: 'started', batchIds: [made] };
    const decision = decideRun(schedule, dueAt, Date.now(), await this.#schedules.unfinishedBatch(id));
    if (!decision.run) return { kind: 'skipped', reason: decision.reason };
    try {
      return await this.#start(schedule, dueAt, signal);
    } catch (error) {
      if (error instanceof CancelledError) throw error;
      const byAnother = await this.#schedules.batchOfRun(id, dueAt);
      if (byAnother !== undefined) return { kind: 'started', batchIds: [byAnother] };
      return { kind: 'failed', reason: messageOf(error) };
    }
  }

  async #start(schedule: Schedule, runAt: number | undefined, signal: AbortSignal): Promise<RunOutcome> {
    return { kind: 'started', batchIds: await this.#runs.start(schedule, runAt, signal) };
  }

  /** Keeps the lease as long as the work takes. Work that doesn't heed its signal is left behind. */
  async #held<T>(id: string, ending: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const lost = new AbortController();
    const renew = setInterval(() => {
      this.#schedules.renew(id, this.#lease).then(
        (ours) => ours || lost.abort(),
        () => undefined, // the database is away: the lease runs out, or the next renewal gets through
      );
    }, RENEW_MS);
    const signal = AbortSignal.any([ending, lost.signal]);
    try {
      return await orAborted(work(signal), signal);
    } finally {
      clearInterval(renew);
    }
  }

  #tell({ name, source }: Schedule, outcome: RunOutcome): void {
    const text = `${name}: ${outcomeText(outcome)}`;
    switch (outcome.kind) {
      case 'started':
        // the inbox tells of each file itself
        if (source.kind !== 'inbox') this.#log.log(text);
        return;
      case 'skipped':
        return this.#log.warn(text);
      case 'failed':
        return this.#log.error(text);
      default:
        return outcome satisfies never;
    }
  }
}
