import type { BatchModuleOptions } from '../../batch/batch-options.interface.js';
import { BatchesService } from '../../batch/batches.service.js';
import { FilesService } from '../../batch/files.service.js';
import { InboxTask } from '../../batch/inbox.task.js';
import { StorageQuota } from '../../batch/retention/storage-quota.js';
import { BatchesRepository } from '../../batch/store/batches.repository.js';
import { DeliveriesRepository } from '../../batch/store/deliveries.repository.js';
import { FilesRepository } from '../../batch/store/files.repository.js';
import { ProgressRepository } from '../../batch/store/progress.repository.js';
import { WorkersRepository } from '../../batch/store/workers.repository.js';
import { batchOptions } from '../../config/batch-options.js';
import type { LoadedConfig } from '../../config/load-config.js';
import { Database } from '../../storage/database.js';
import { FolderFileStore } from '../../storage/folder-file-store.js';
import { migrate } from '../../storage/migrate.js';

/** What the commands need of the batches. */
export interface BatchAccess {
  readonly batches: BatchesService;
  readonly files: FilesService;
  readonly inbox: InboxTask;
  readonly workers: WorkersRepository;
  /** Whether this process executes batches while it is open. */
  readonly executes: boolean;
  close(): Promise<void>;
}

/** The tables alone: what is made here is executed by a server, now or later. */
export async function openTables(config: LoadedConfig): Promise<BatchAccess> {
  const options = commandOptions(config);
  const database = await Database.open(options.database);
  await migrate(database);
  const repository = new FilesRepository(database);
  const store = await FolderFileStore.open(options.files);
  const batches = new BatchesService(
    new BatchesRepository(database),
    repository,
    new ProgressRepository(database),
    { wake: () => undefined }, // a server looks every second
  );
  return {
    batches,
    files: new FilesService(repository, store, new StorageQuota(repository, options), options),
    inbox: new InboxTask(batches, new DeliveriesRepository(database), options),
    workers: new WorkersRepository(database),
    executes: false,
    close: () => database.close(),
  };
}

/** Schedules are the servers' business. */
export function commandOptions(config: LoadedConfig): BatchModuleOptions {
  return { ...batchOptions(config), cron: null, schedules: null };
}
