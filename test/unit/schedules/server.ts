import { Logger } from '@nestjs/common';
import { vi } from 'vitest';
import type { DiscoveryService } from '@nestjs/core';
import { join } from 'node:path';
import type {
  BatchLimits,
  BatchModuleOptions,
  ScheduleOptions,
} from '../../../src/batch/batch-options.interface.js';
import { BatchesService } from '../../../src/batch/batches.service.js';
import { FilesService } from '../../../src/batch/files.service.js';
import { InboxTask } from '../../../src/batch/inbox.task.js';
import { StorageQuota } from '../../../src/batch/retention/storage-quota.js';
import type { LineSource } from '../../../src/batch/schedules/line-source.js';
import { LineSources } from '../../../src/batch/schedules/line-sources.js';
import { ScheduleRunner } from '../../../src/batch/schedules/schedule-runner.js';
import { ScheduleRuns } from '../../../src/batch/schedules/schedule-runs.js';
import { ScheduleTask } from '../../../src/batch/schedules/schedule.task.js';
import { SchedulesService } from '../../../src/batch/schedules/schedules.service.js';
import { BatchesRepository } from '../../../src/batch/store/batches.repository.js';
import { DeliveriesRepository } from '../../../src/batch/store/deliveries.repository.js';
import { FilesRepository } from '../../../src/batch/store/files.repository.js';
import { ProgressRepository } from '../../../src/batch/store/progress.repository.js';
import { SchedulesRepository } from '../../../src/batch/store/schedules.repository.js';
import { WorkerIdentity } from '../../../src/batch/worker-identity.js';
import type { Database } from '../../../src/storage/database.js';
import type { FreshDatabase } from './databases.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { FolderFileStore } from '../../../src/storage/folder-file-store.js';

export const LIMITS: BatchLimits = {
  maxFileBytes: 2 ** 20,
  maxLines: 1000,
  maxLineBytes: 1000,
  quotaBytes: null,
  concurrency: 4,
  chunkLines: 10,
  retries: 1,
  fileDays: 30,
  batchDays: 90,
};

/** What one server has of schedules, over a database that others may share. Nothing executes the batches. */
export interface ScheduleServer {
  readonly options: BatchModuleOptions;
  readonly database: Database;
  readonly store: FolderFileStore;
  readonly schedules: SchedulesRepository;
  readonly batches: BatchesService;
  readonly batchRows: BatchesRepository;
  readonly deliveries: DeliveriesRepository;
  readonly files: FilesService;
  readonly inbox: InboxTask;
  readonly service: SchedulesService;
  readonly runner: ScheduleRunner;
  readonly task: ScheduleTask;
  /** Finishes every batch, as if it had been run. */
  finishBatches(): Promise<void>;
}

type ServerOptions = Partial<BatchModuleOptions> & { sources?: Readonly<Record<string, LineSource>> };

export async function scheduleServer(
  database: Database,
  folder: string,
  { sources = {}, ...changes }: ServerOptions = {},
): Promise<ScheduleServer> {
  const options: BatchModuleOptions = {
    database: { engine: 'sqlite', path: '' }, // it is open already
    files: join(folder, 'files'),
    redis: null,
    rateLimit: null,
    limits: LIMITS,
    schedules: [],
    adminKey: null,
    cron: null,
    inbox: join(folder, 'inbox'),
    outbox: join(folder, 'outbox'),
    done: join(folder, 'done'),
    ...changes,
  };
  const store = await FolderFileStore.open(options.files);
  const fileRows = new FilesRepository(database);
  const batchRows = new BatchesRepository(database);
  const files = new FilesService(fileRows, store, new StorageQuota(fileRows, options), options);
  const waker = { wake: () => undefined };
  const batches = new BatchesService(batchRows, fileRows, new ProgressRepository(database), waker);
  const deliveries = new DeliveriesRepository(database);
  const inbox = new InboxTask(batches, deliveries, options);
  const schedules = new SchedulesRepository(database);
  const lineSources = new LineSources(discoveryOf(sources));
  const runs = new ScheduleRuns(batches, files, inbox, lineSources);
  const runner = new ScheduleRunner(schedules, runs, new WorkerIdentity());
  const service = new SchedulesService(schedules, fileRows, lineSources, runner);
  const task = new ScheduleTask(runner, service, options);
  return {
    options,
    database,
    store,
    schedules,
    batches,
    batchRows,
    deliveries,
    files,
    inbox,
    service,
    runner,
    task,
    async finishBatches() {
      await database.db
        .updateTable('batches')
        .set({ status: 'completed', completed: 1, failed: 0, completed_at: Date.now(), purged: 1 })
        .where('status', '=', 'validating')
        .execute();
    },
  };
}

/** As Nest finds decorated providers. */
export function discoveryOf(sources: Readonly<Record<string, unknown>>): DiscoveryService {
  const wrappers = Object.entries(sources).map(([name, instance]) => ({ name, instance }));
  return {
    getProviders: () => wrappers,
    getMetadataByDecorator: (_decorator: unknown, { name }: { name: string }) => name,
  } as unknown as DiscoveryService;
}

export function daily(change: Partial<ScheduleOptions> = {}): ScheduleOptions {
  return {
    name: 'night',
    cron: '0 3 * * *',
    timeZone: 'UTC',
    source: { kind: 'provider', name: 'crm' },
    endpoint: '/v1/completions',
    metadata: { team: 'a' },
    timeoutSeconds: null,
    missedRuns: 'skip',
    ...change,
  };
}

export const CRM: LineSource = {
  lines: () => [{ custom_id: 'a', body: { model: 'tales', prompt: 'Once' } }],
};

/** Servers over one new database and one folder. */
export async function servers(
  fresh: FreshDatabase,
  count: number,
  options: ServerOptions = {},
): Promise<[ScheduleServer, ...ScheduleServer[]]> {
  const folder = temporaryFolder();
  const all: ScheduleServer[] = [];
  for (const database of await fresh(count))
    all.push(await scheduleServer(database, folder, { sources: { crm: CRM }, ...options }));
  return all as [ScheduleServer, ...ScheduleServer[]];
}

export async function batchesOf({ batches }: ScheduleServer) {
  return (await batches.list({ limit: 1000 })).batches;
}

export const SECOND = 1000;
export const DAY = 86_400_000;
export const EVENING = Date.parse('2026-01-01T20:00:00Z');
/** The first time of `daily()` after it. */
export const NIGHT = Date.parse('2026-01-02T03:00:00Z');

/** For `beforeEach`: a clock that stands still, and no log. */
export function standStill(): void {
  Logger.overrideLogger(false);
  vi.useFakeTimers({ toFake: ['Date'], now: EVENING });
}
