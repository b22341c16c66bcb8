import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { messageOf } from '../../engine/errors.js';
import type { BatchModuleOptions } from '../batch-options.interface.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { ScheduleRunner } from './schedule-runner.js';
import { SchedulesService } from './schedules.service.js';
import type { Schedule } from './schedule-types.js';

const TICK_MS = 1000;
/** Runs that this process starts at a time: a source may take its time over its lines. */
const MOST_RUNS = 4;

/** Looks each second which schedules are due, and starts their runs. With several servers each run is started by one. */
@Injectable()
export class ScheduleTask implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = new Logger('Schedules');
  readonly #runner: ScheduleRunner;
  readonly #service: SchedulesService;
  readonly #options: BatchModuleOptions;
  readonly #ending = new AbortController();
  readonly #runs = new Set<Promise<void>>();
  #active = false;
  #looking: Promise<void> | undefined;
  #failing = false;

  constructor(
    runner: ScheduleRunner,
    service: SchedulesService,
    @Inject(MODULE_OPTIONS_TOKEN) options: BatchModuleOptions,
  ) {
    this.#runner = runner;
    this.#service = service;
    this.#options = options;
  }

  /** @throws Error if the configuration has a schedule that can't be */
  async onApplicationBootstrap(): Promise<void> {
    if (this.#options.schedules === null) return;
    await this.#service.adopt(this.#options.schedules, this.#options.cron);
    this.#active = true;
  }

  /** Runs that are beginning are given up: whoever is there next begins them. */
  async onModuleDestroy(): Promise<void> {
    this.#active = false;
    this.#ending.abort();
    await this.#looking;
    await Promise.all(this.#runs);
  }

  @Interval('resident.schedules', TICK_MS)
  tick(): Promise<void> {
    if (!this.#active) return Promise.resolve();
    this.#looking ??= this.#startDue().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #startDue(): Promise<void> {
    try {
      while (this.#active && this.#runs.size < MOST_RUNS) {
        const schedule = await this.#runner.claimDue();
        this.#failing = false;
        if (!schedule) return;
        this.#start(schedule);
      }
    } catch (error) {
      this.#tellFailure(error);
    }
  }

  #start(schedule: Schedule): void {
    const run = this.#runner
      .runDue(schedule, this.#ending.signal)
      .catch((error: unknown) => this.#tellFailure(error))
      .finally(() => this.#runs.delete(run));
    this.#runs.add(run);
  }

  /** Once: a database that is away for a while would fill the log. */
  #tellFailure(error: unknown): void {
    if (!this.#failing && !this.#ending.signal.aborted)
      this.#log.error(`Schedules wait: the database can't be asked: ${messageOf(error)}`);
    this.#failing = true;
  }
}
