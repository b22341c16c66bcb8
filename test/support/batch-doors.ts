import { Global, Module, type DynamicModule, type Type } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchLimits, BatchModuleOptions } from '../../src/batch/batch-options.interface.js';
import { MODULE_OPTIONS_TOKEN } from '../../src/batch/batch.module-definition.js';
import { BatchWaker } from '../../src/batch/batch-waker.js';
import { BatchesController } from '../../src/batch/batches.controller.js';
import { BatchesService } from '../../src/batch/batches.service.js';
import { FilesController } from '../../src/batch/files.controller.js';
import { FilesService } from '../../src/batch/files.service.js';
import { StorageQuota } from '../../src/batch/retention/storage-quota.js';
import { SchedulesService } from '../../src/batch/schedules/schedules.service.js';
import { BatchesRepository } from '../../src/batch/store/batches.repository.js';
import { ChunksRepository } from '../../src/batch/store/chunks.repository.js';
import { FilesRepository } from '../../src/batch/store/files.repository.js';
import { ProgressRepository } from '../../src/batch/store/progress.repository.js';
import { StagesRepository } from '../../src/batch/store/stages.repository.js';
import { ModelProvider, OpenApiModule, TransportModule } from '../../src/index.js';
import { Database } from '../../src/storage/database.js';
import { FileStore } from '../../src/storage/file-store.js';
import { FolderFileStore } from '../../src/storage/folder-file-store.js';
import { migrate } from '../../src/storage/migrate.js';
import { ADMIN_KEY } from '../../src/transport/admin.guard.js';
import { FakeModels } from './fake-models.js';

export const TEST_LIMITS: BatchLimits = {
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

/** The doors of batches, over real tables and a real folder, with nobody behind them who executes anything. */
export interface BatchDoors {
  readonly app: NestExpressApplication;
  readonly url: string;
  /** Of the stored files. */
  readonly folder: string;
  /** How often whoever executes was told to look. */
  readonly wakes: () => number;
  close(): Promise<void>;
}

export interface BatchDoorsOptions {
  readonly limits?: Partial<BatchLimits>;
  readonly store?: (folder: string) => Promise<FileStore>;
  readonly modules?: readonly (Type | DynamicModule)[];
}

export async function startBatchDoors({
  limits = {},
  store = (folder) => FolderFileStore.open(folder),
  modules = [],
}: BatchDoorsOptions = {}): Promise<BatchDoors> {
  const data = mkdtempSync(join(tmpdir(), 'resident-doors-'));
  const folder = join(data, 'files');
  const options: Pick<BatchModuleOptions, 'limits'> = { limits: { ...TEST_LIMITS, ...limits } };
  const database = await Database.open({ engine: 'sqlite', path: join(data, 'test.db') });
  await migrate(database);
  let wakes = 0;
  @Global()
  @Module({
    controllers: [FilesController, BatchesController],
    providers: [
      { provide: ModelProvider, useValue: new FakeModels() },
      { provide: MODULE_OPTIONS_TOKEN, useValue: options },
      { provide: Database, useValue: database },
      { provide: FileStore, useValue: await store(folder) },
      { provide: BatchWaker, useValue: { wake: () => void wakes++ } },
      FilesRepository,
      BatchesRepository,
      ChunksRepository,
      ProgressRepository,
      StagesRepository,
      StorageQuota,
      FilesService,
      BatchesService,
      // GraphQL wants them; tests of their own are elsewhere
      { provide: SchedulesService, useValue: {} },
      { provide: ADMIN_KEY, useValue: null },
    ],
    exports: [ModelProvider, FilesService, BatchesService, SchedulesService, ADMIN_KEY],
  })
  class DoorsModule {}
  const testing = await Test.createTestingModule({
    imports: [DoorsModule, TransportModule, OpenApiModule, ...modules],
  }).compile();
  const app = testing.createNestApplication<NestExpressApplication>({
    bodyParser: false,
    forceCloseConnections: true,
    logger: false,
  });
  app.useBodyParser('json', { limit: '100kb' });
  await app.listen(0, '127.0.0.1');
  return {
    app,
    url: await app.getUrl(),
    folder,
    wakes: () => wakes,
    async close() {
      await app.close();
      await database.close();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
