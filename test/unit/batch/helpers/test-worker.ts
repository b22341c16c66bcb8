import { Logger } from '@nestjs/common';
import type { BatchLimits, BatchModuleOptions } from '../../../../src/batch/batch-options.interface.js';
import type { Batch, NewBatch } from '../../../../src/batch/batch-types.js';
import { ChunkDispatcher, LocalDispatcher } from '../../../../src/batch/execution/chunk-dispatcher.js';
import { ChunkPool } from '../../../../src/batch/execution/chunk-pool.js';
import { ChunkRunner } from '../../../../src/batch/execution/chunk-runner.js';
import { LineExpirer } from '../../../../src/batch/execution/expire-lines.js';
import { BatchFinalizer } from '../../../../src/batch/execution/finalize-batch.js';
import { LineRunner } from '../../../../src/batch/execution/line-runner.js';
import { Reconciler } from '../../../../src/batch/execution/reconciler.js';
import { StageWorker } from '../../../../src/batch/execution/stage-worker.js';
import { BatchValidator } from '../../../../src/batch/execution/validate-batch.js';
import { BatchInputs } from '../../../../src/batch/lines/batch-inputs.js';
import { BatchesRepository } from '../../../../src/batch/store/batches.repository.js';
import { ChunksRepository } from '../../../../src/batch/store/chunks.repository.js';
import { ResultsRepository } from '../../../../src/batch/store/results.repository.js';
import { StagesRepository } from '../../../../src/batch/store/stages.repository.js';
import { WorkerIdentity } from '../../../../src/batch/worker-identity.js';
import type { Database } from '../../../../src/storage/database.js';
import type { FileStore } from '../../../../src/storage/file-store.js';
import { ENDED } from '../../../support/batch-ends.js';
import type { ScriptedModels } from './scripted-models.js';

export const LIMITS: BatchLimits = {
  maxFileBytes: 10_000_000,
  maxLines: 10_000,
  maxLineBytes: 10_000,
  quotaBytes: null,
  concurrency: 8,
  chunkLines: 20,
  retries: 2,
  fileDays: 30,
  batchDays: 90,
};

export interface TestWorkerOptions {
  readonly database: Database;
  readonly store: FileStore;
  readonly models: ScriptedModels;
  readonly limits?: Partial<BatchLimits>;
  /** Who distributes chunks; default: each worker for itself. */
  readonly dispatcher?: (chunks: ChunksRepository, local: LocalDispatcher, owner: string) => ChunkDispatcher;
  /** Wraps what the worker writes to and reads from. */
  readonly wrap?: <T extends object>(part: T) => T;
}

/** What executes batches in one process, without the rest of the application. */
export class TestWorker {
  readonly reconciler: Reconciler;
  readonly identity = new WorkerIdentity();

  constructor({
    database,
    store: files,
    models,
    limits,
    dispatcher,
    wrap = (part) => part,
  }: TestWorkerOptions) {
    const options = { limits: { ...LIMITS, ...limits } } as BatchModuleOptions;
    const provider = models.asProvider();
    const store = wrap(files);
    const batches = wrap(new BatchesRepository(database));
    const stages = wrap(new StagesRepository(database));
    const chunks = wrap(new ChunksRepository(database));
    const results = wrap(new ResultsRepository(database));
    const inputs = new BatchInputs(store);
    const lines = new LineRunner(provider, options);
    const runner = new ChunkRunner(batches, chunks, results, inputs, lines, provider, this.identity, options);
    const local = new LocalDispatcher(chunks, this.identity);
    const dispatching = dispatcher?.(chunks, local, this.identity.id) ?? local;
    const pool = new ChunkPool(runner, dispatching, options);
    const expirer = new LineExpirer(chunks, results, stages, inputs, provider, options);
    const stageWorker = new StageWorker(
      batches,
      stages,
      new BatchValidator(stages, results, inputs, provider, options),
      new BatchFinalizer(stages, results, inputs, store, expirer, options),
      this.identity,
    );
    this.reconciler = new Reconciler(batches, results, inputs, stageWorker, pool, dispatching);
  }

  start(): this {
    Logger.overrideLogger(false);
    this.reconciler.onApplicationBootstrap();
    return this;
  }

  end(): Promise<void> {
    return this.reconciler.onModuleDestroy();
  }
}

/** Waits until a batch has come to its end. */
export async function whenEnded(batches: BatchesRepository, id: string): Promise<Batch> {
  for (;;) {
    const batch = await batches.get(id);
    if (batch && ENDED.includes(batch.status)) return batch;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A batch of a file of the store. */
export function batchOf(fileId: string, change: Partial<NewBatch> = {}): NewBatch {
  return {
    endpoint: '/v1/completions',
    lineFormat: 'openai',
    input: { kind: 'file', fileId },
    completionWindow: '24h',
    metadata: null,
    expiresAt: null,
    ...change,
  };
}

/** A line of a batch, whose prompt is its id. */
export function lineOf(customId: string, body: object = {}): string {
  return JSON.stringify({
    custom_id: customId,
    method: 'POST',
    url: '/v1/completions',
    body: { model: 'fake', prompt: customId, ...body },
  });
}

export async function* bytesOf(text: string | Buffer): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

export async function textOf(store: FileStore, key: string | null): Promise<string> {
  if (key === null) return '';
  const parts: Buffer[] = [];
  for await (const part of store.read(key)) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** The lines of a file of the store, parsed. */
export async function linesOf(store: FileStore, key: string | null): Promise<OutputLine[]> {
  const text = await textOf(store, key);
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as OutputLine]));
}

export interface OutputLine {
  readonly id: string;
  readonly custom_id: string | null;
  readonly response: { readonly status_code: number; readonly body: OutputBody } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

interface OutputBody {
  readonly choices?: readonly { readonly text: string }[];
  readonly error?: { readonly code: string };
}
