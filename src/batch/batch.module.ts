import { Module, type Provider } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { storageProviders } from '../storage/storage.providers.js';
import { ADMIN_KEY, AdminGuard } from '../transport/admin.guard.js';
import type { BatchModuleOptions } from './batch-options.interface.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './batch.module-definition.js';
import { BatchesController } from './batches.controller.js';
import { BatchesService } from './batches.service.js';
import { executionProviders } from './execution/execution.providers.js';
import { FilesController } from './files.controller.js';
import { FilesService } from './files.service.js';
import { InboxTask } from './inbox.task.js';
import { RetentionRepository } from './retention/retention.repository.js';
import { RetentionTask } from './retention/retention.task.js';
import { StorageQuota } from './retention/storage-quota.js';
import { LineSources } from './schedules/line-sources.js';
import { ScheduleRunner } from './schedules/schedule-runner.js';
import { ScheduleRuns } from './schedules/schedule-runs.js';
import { ScheduleTask } from './schedules/schedule.task.js';
import { SchedulesController } from './schedules/schedules.controller.js';
import { SchedulesService } from './schedules/schedules.service.js';
import { BatchesRepository } from './store/batches.repository.js';
import { ChunksRepository } from './store/chunks.repository.js';
import { DeliveriesRepository } from './store/deliveries.repository.js';
import { FilesRepository } from './store/files.repository.js';
import { ProgressRepository } from './store/progress.repository.js';
import { ResultsRepository } from './store/results.repository.js';
import { SchedulesRepository } from './store/schedules.repository.js';
import { StagesRepository } from './store/stages.repository.js';
import { WorkersRepository } from './store/workers.repository.js';
import { WorkerHeartbeat } from './worker-heartbeat.js';
import { WorkerIdentity } from './worker-identity.js';

const store: readonly Provider[] = [
  FilesRepository,
  BatchesRepository,
  StagesRepository,
  ChunksRepository,
  ResultsRepository,
  ProgressRepository,
  DeliveriesRepository,
  SchedulesRepository,
  WorkersRepository,
  RetentionRepository,
];

const schedules: readonly Provider[] = [
  LineSources,
  ScheduleRuns,
  ScheduleRunner,
  SchedulesService,
  ScheduleTask,
];

const adminKey: Provider = {
  provide: ADMIN_KEY,
  inject: [MODULE_OPTIONS_TOKEN],
  useFactory: ({ adminKey: key }: BatchModuleOptions) => key,
};

/** Files of requests, answered in files: through the API, on schedules, from the inbox, by hand. Needs `ModelModule`. */
@Module({
  imports: [ScheduleModule.forRoot(), DiscoveryModule],
  controllers: [FilesController, BatchesController, SchedulesController],
  providers: [
    ...storageProviders,
    ...store,
    ...schedules,
    ...executionProviders,
    WorkerIdentity,
    WorkerHeartbeat,
    StorageQuota,
    RetentionTask,
    FilesService,
    BatchesService,
    InboxTask,
    adminKey,
    AdminGuard,
  ],
  exports: [FilesService, BatchesService, SchedulesService, InboxTask, ADMIN_KEY],
})
export class BatchModule extends ConfigurableModuleClass {}
