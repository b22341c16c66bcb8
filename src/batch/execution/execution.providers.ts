import type { FactoryProvider, Provider } from '@nestjs/common';
import { BatchWaker } from '../batch-waker.js';
import type { BatchModuleOptions } from '../batch-options.interface.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { BatchInputs } from '../lines/batch-inputs.js';
import { ChunksRepository } from '../store/chunks.repository.js';
import { WorkerIdentity } from '../worker-identity.js';
import { ChunkDispatcher, LocalDispatcher } from './chunk-dispatcher.js';
import { ChunkPool } from './chunk-pool.js';
import { ChunkRunner } from './chunk-runner.js';
import { LEASE_MS } from './execution.constants.js';
import { LineExpirer } from './expire-lines.js';
import { BatchFinalizer } from './finalize-batch.js';
import { LineRunner } from './line-runner.js';
import { Reconciler } from './reconciler.js';
import { StageWorker } from './stage-worker.js';
import { BatchValidator } from './validate-batch.js';

const dispatcher: FactoryProvider<ChunkDispatcher> = {
  provide: ChunkDispatcher,
  inject: [MODULE_OPTIONS_TOKEN, ChunksRepository, LocalDispatcher, WorkerIdentity],
  useFactory: async (
    { redis, rateLimit }: BatchModuleOptions,
    chunks: ChunksRepository,
    local: LocalDispatcher,
    { id: owner }: WorkerIdentity,
  ) => {
    if (redis === null) return local;
    // a quarter of a second of every start, if it were imported above
    const { RedisDispatcher } = await import('./redis-dispatcher.js');
    return new RedisDispatcher(chunks, local, { redis, rateLimit, lease: { owner, milliseconds: LEASE_MS } });
  },
};

/** What executes batches in this process. */
export const executionProviders: readonly Provider[] = [
  BatchInputs,
  BatchValidator,
  LineRunner,
  ChunkRunner,
  LocalDispatcher,
  dispatcher,
  ChunkPool,
  LineExpirer,
  BatchFinalizer,
  StageWorker,
  Reconciler,
  { provide: BatchWaker, useExisting: Reconciler },
];
