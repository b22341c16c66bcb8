import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { InvalidRequestError } from '../../engine/errors.js';
import { StartError } from '../../start-error.js';
import { INPUT_PATTERN } from '../batch-files.js';
import type { ScheduleOptions } from '../batch-options.interface.js';
import { FilesRepository } from '../store/files.repository.js';
import { SchedulesRepository } from '../store/schedules.repository.js';
import { BATCH_ENDPOINTS } from '../line-operations.js';
import { nextRun } from './cron-times.js';
import { LineSources } from './line-sources.js';
import { ScheduleRunner } from './schedule-runner.js';
import type { Schedule } from './schedule-types.js';

/** Name of the schedule that looks into the inbox. */
export const INBOX_SCHEDULE = 'inbox';

/** Schedules, for every door: REST, GraphQL, the configuration. */
@Injectable()
export class SchedulesService implements OnModuleDestroy {
  readonly #schedules: SchedulesRepository;
  readonly #files: FilesRepository;
  readonly #sources: LineSources;
  readonly #runner: ScheduleRunner;
  readonly #ending = new AbortController();

  constructor(
    schedules: SchedulesRepository,
    files: FilesRepository,
    sources: LineSources,
    runner: ScheduleRunner,
  ) {
    this.#schedules = schedules;
    this.#files = files;
    this.#sources = sources;
    this.#runner = runner;
  }

  onModuleDestroy(): void {
    this.#ending.abort();
  }

  /**
   * Brings the schedules of the configuration into the database, and those that it has no more out of it. What is paused stays
   * so, and the next run stays where it is unless its time was changed.
   * @param inboxCron when the inbox is looked at; null: never
   * @throws StartError that says which schedule can't be, and why
   */
  async adopt(configured: readonly ScheduleOptions[], inboxCron: string | null): Promise<void> {
    const all = [...configured, ...(inboxCron === null ? [] : [inboxSchedule(inboxCron)])];
    if (new Set(all.map(({ name }) => name)).size < all.length)
      throw new StartError(
        `The configuration has a schedule named '${INBOX_SCHEDULE}', which is the built-in one: give it another name, or set batch.cron to null.`,
      );
    for (const options of all) {
      try {
        this.#check(options);
        await this.#adoptOne(options);
      } catch (error) {
        if (!(error instanceof InvalidRequestError)) throw error;
        throw new StartError(
          `The schedule '${options.name}' of the configuration is wrong: ${error.message}`,
          {
            cause: error,
          },
        );
      }
    }
    for (const { id, name, origin } of await this.#schedules.list())
      if (origin === 'config' && !all.some((known) => known.name === name)) await this.#schedules.delete(id);
  }

  /** By name. */
  list(): Promise<Schedule[]> {
    return this.#schedules.list();
  }

  /** @throws InvalidRequestError `schedule_not_found` */
  async get(idOrName: string): Promise<Schedule> {
    const schedule = await this.#schedules.find(idOrName);
    if (!schedule) throw notFound(idOrName);
    return schedule;
  }

  /** @throws InvalidRequestError naming the field at fault; `conflict`: there is one of that name; `file_not_found` */
  async create(options: ScheduleOptions): Promise<Schedule> {
    await this.#checkOfApi(options);
    const nextRunAt = nextRun(options.cron, options.timeZone, Date.now());
    const schedule = await this.#schedules.insert(options, 'api', { paused: false, nextRunAt });
    if (!schedule) throw nameTaken(options.name);
    return schedule;
  }

  /** @throws InvalidRequestError as `create`; `schedule_not_found`; `conflict` for one of the configuration */
  async update(idOrName: string, change: Partial<ScheduleOptions>): Promise<Schedule> {
    const schedule = await this.#changeable(idOrName);
    const options = { ...schedule, ...change };
    await this.#checkOfApi(options);
    const namesake = await this.#schedules.find(options.name);
    if (namesake && namesake.id !== schedule.id) throw nameTaken(options.name);
    const sameTimes = schedule.cron === options.cron && schedule.timeZone === options.timeZone;
    const nextRunAt = sameTimes ? schedule.nextRunAt : nextRunOf(options);
    return found(await this.#schedules.update(schedule.id, options, nextRunAt), idOrName);
  }

  /** Batches that it made go on. @throws as `update` */
  async delete(idOrName: string): Promise<Schedule> {
    const schedule = await this.#changeable(idOrName);
    if (!(await this.#schedules.delete(schedule.id))) throw notFound(idOrName);
    return schedule;
  }

  /**
   * Runs it now, paused or not, and answers when its batch is made.
   * @throws InvalidRequestError `schedule_not_found`; `conflict`, if the run before it isn't finished; whatever its source throws
   */
  async run(idOrName: string): Promise<Schedule> {
    const schedule = await this.get(idOrName);
    await this.#runner.runNow(schedule, this.#ending.signal);
    return this.get(schedule.id);
  }

  /** Also one of the configuration; it stays so when the server starts again. */
  async pause(idOrName: string): Promise<Schedule> {
    const { id } = await this.get(idOrName);
    return found(await this.#schedules.setPaused(id, true, null), idOrName);
  }

  /** What it missed while it was paused isn't made up for. */
  async resume(idOrName: string): Promise<Schedule> {
    const schedule = await this.get(idOrName);
    if (!schedule.paused) return schedule;
    const nextRunAt = nextRunOf({ ...schedule, paused: false });
    return found(await this.#schedules.setPaused(schedule.id, false, nextRunAt), idOrName);
  }

  async #adoptOne(options: ScheduleOptions): Promise<void> {
    const nextRunAt = nextRun(options.cron, options.timeZone, Date.now());
    if (await this.#schedules.insert(options, 'config', { paused: false, nextRunAt })) return;
    const schedule = await this.#schedules.find(options.name);
    if (!schedule) return; // another server has just removed it
    if (schedule.origin !== 'config')
      throw new InvalidRequestError(
        'conflict',
        'one of that name was made through the API. Rename one of them, or delete that one.',
      );
    const sameTimes = schedule.cron === options.cron && schedule.timeZone === options.timeZone;
    await this.#schedules.update(
      schedule.id,
      options,
      sameTimes ? schedule.nextRunAt : nextRunOf({ ...schedule, ...options }),
    );
  }

  async #changeable(idOrName: string): Promise<Schedule> {
    const schedule = await this.get(idOrName);
    if (schedule.origin === 'api') return schedule;
    throw new InvalidRequestError(
      'conflict',
      `The schedule '${schedule.name}' comes from the configuration of the server: change it there. It can be paused and resumed here.`,
    );
  }

  async #checkOfApi(options: ScheduleOptions): Promise<void> {
    this.#check(options);
    const { name, source } = options;
    if (name === INBOX_SCHEDULE)
      throw new InvalidRequestError(
        'invalid_value',
        `Invalid value for 'name': '${INBOX_SCHEDULE}' is the built-in schedule.`,
        { param: 'name' },
      );
    if (source.kind === 'file' && !(await this.#files.get(source.fileId)))
      throw new InvalidRequestError('file_not_found', `There is no file '${source.fileId}'.`, {
        param: 'source.file',
      });
  }

  #check({ endpoint, source }: ScheduleOptions): void {
    if (!BATCH_ENDPOINTS.includes(endpoint))
      throw new InvalidRequestError(
        'invalid_value',
        `Invalid value for 'endpoint': batches take ${BATCH_ENDPOINTS.join(', ')}.`,
        { param: 'endpoint' },
      );
    if (source.kind === 'provider') this.#sources.get(source.name);
  }
}

/** By this machine's clock. Files that came while no server ran are as welcome as any. */
function inboxSchedule(cron: string): ScheduleOptions {
  return {
    name: INBOX_SCHEDULE,
    cron,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    source: { kind: 'inbox', pattern: INPUT_PATTERN },
    endpoint: '/v1/completions',
    metadata: null,
    timeoutSeconds: null,
    missedRuns: 'run_once',
  };
}

function nextRunOf({
  cron,
  timeZone,
  paused,
}: Pick<Schedule, 'cron' | 'timeZone' | 'paused'>): number | null {
  return paused ? null : nextRun(cron, timeZone, Date.now());
}

function found(schedule: Schedule | undefined, idOrName: string): Schedule {
  if (!schedule) throw notFound(idOrName);
  return schedule;
}

function notFound(idOrName: string): InvalidRequestError {
  return new InvalidRequestError('schedule_not_found', `There is no schedule '${idOrName}'.`);
}

function nameTaken(name: string): InvalidRequestError {
  return new InvalidRequestError('conflict', `There is a schedule named '${name}' already.`, {
    param: 'name',
  });
}
