import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import { rm } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { messageOf } from '../engine/errors.js';
import { ModelProvider } from '../model/model.provider.js';
import {
  choosePaths,
  commitBatch,
  fileVersion,
  inboxFiles,
  makeBatchFolders,
  recoverOutbox,
} from './batch-files.js';
import type { BatchModuleOptions } from './batch-options.interface.js';
import { BatchRunner, type BatchRunOptions, type BatchSummary } from './batch-runner.js';
import { MODULE_OPTIONS_TOKEN } from './batch.module-definition.js';

export const INBOX_JOB = 'resident.inbox';

export interface FileResult extends BatchSummary {
  readonly results: string;
}

/** The scheduled door: takes JSONL files from the inbox and runs them, one file at a time, when nobody waits. */
@Injectable()
export class InboxTask implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = new Logger(InboxTask.name);
  readonly #options: BatchModuleOptions;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    readonly models: ModelProvider,
    private readonly runner: BatchRunner,
    private readonly registry: SchedulerRegistry,
    @Inject(MODULE_OPTIONS_TOKEN) options: BatchModuleOptions,
  ) {
    this.#options = options;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { cron, inbox } = this.#options;
    if (cron === null) return;
    await makeBatchFolders(this.#options);
    await recoverOutbox(this.#options);
    const job = CronJob.from({ cronTime: cron, onTick: () => this.runInbox(), waitForCompletion: true });
    this.registry.addCronJob(INBOX_JOB, job);
    job.start();
    this.#log.log(`watching ${inbox} (${cron})`);
  }

  /** Stops in the middle of a file: its results are discarded, the file stays and is run at the next start. */
  async onModuleDestroy(): Promise<void> {
    this.#ending.abort();
    await this.#running?.catch(() => undefined);
  }

  /** Runs what is in the inbox. A call while one is under way joins it. */
  runInbox(): Promise<void> {
    this.#running ??= this.#runInbox().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /**
   * Runs one file now, from the inbox or from anywhere else. One from the inbox is moved to `done`.
   * @returns undefined if the file was written to in the meantime: it is left for later
   * @throws Error if the run can't go on
   */
  async runFile(file: string, options: BatchRunOptions = {}): Promise<FileResult | undefined> {
    await makeBatchFolders(this.#options);
    const input = resolve(file);
    const before = await fileVersion(input);
    const paths = choosePaths(input, this.#options);
    try {
      const summary = await this.runner.run(input, paths.temporary, {
        signal: this.#ending.signal,
        ...options,
      });
      if ((await fileVersion(input)) !== before) return undefined;
      await commitBatch(input, paths);
      return { ...summary, results: paths.results };
    } finally {
      await rm(paths.temporary, { force: true });
    }
  }

  async #runInbox(): Promise<void> {
    if (!this.models.ready) return;
    for (const file of await inboxFiles(this.#options)) {
      if (this.#ending.signal.aborted) return;
      const name = basename(file);
      try {
        this.#log.log(`${name}: begins`);
        const result = await this.runFile(file);
        if (result)
          this.#log.log(
            `${name}: ${result.lines} lines, ${result.failed} failed, results in ${result.results}`,
          );
        else this.#log.warn(`${name}: was written to while it ran; it is run again`);
      } catch (error) {
        if (!this.#ending.signal.aborted) this.#log.error(`${name}: left in the inbox: ${messageOf(error)}`);
      }
    }
  }
}
