import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BatchModule } from '../../batch/batch.module.js';
import { BatchesService } from '../../batch/batches.service.js';
import { FilesService } from '../../batch/files.service.js';
import { InboxTask } from '../../batch/inbox.task.js';
import { WorkersRepository } from '../../batch/store/workers.repository.js';
import type { LoadedConfig } from '../../config/load-config.js';
import { ResidentLogger } from '../../logger.js';
import { ModelModule } from '../../model/model.module.js';
import { commandOptions, type BatchAccess } from './batch-access.js';

/** The models and the batches, without the other doors. */
@Module({})
class BatchCommandModule {}

/**
 * Loads the models and executes what is unfinished. On SQLite a process must not write through two connections (each would wait for
 * the other): close the tables first.
 */
export async function openExecutor(config: LoadedConfig): Promise<BatchAccess> {
  const { models, hub, server } = config;
  const root = {
    module: BatchCommandModule,
    imports: [
      ModelModule.forRoot({ models, hub, drainSeconds: server.drainSeconds }),
      BatchModule.forRoot(commandOptions(config)),
    ],
  };
  const app = await NestFactory.createApplicationContext(root, {
    logger: new ResidentLogger('warn'),
    abortOnError: false,
  });
  return {
    batches: app.get(BatchesService),
    files: app.get(FilesService),
    inbox: app.get(InboxTask),
    workers: app.get(WorkersRepository, { strict: false }),
    executes: true,
    close: () => app.close(),
  };
}
