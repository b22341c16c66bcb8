import { Inject, Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { FileStore } from '../../storage/file-store.js';
import type { BatchLimits, BatchModuleOptions } from '../batch-options.interface.js';
import type { Batch, StoredFile } from '../batch-types.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { BatchInputs } from '../lines/batch-inputs.js';
import { expiryOf } from '../retention/expiry.js';
import { ResultsRepository } from '../store/results.repository.js';
import { StagesRepository } from '../store/stages.repository.js';
import { inputGone } from './batch-failure.js';
import { deliver } from './deliver.js';
import { LineExpirer } from './expire-lines.js';
import { restartBatch } from './restart-batch.js';
import { resultPages, type Counts } from './result-pages.js';
import type { StageLease } from './stage-lease.js';

/** Ends batches: what is answered is written where it belongs. Whoever does so again after a kill does the same again. */
@Injectable()
export class BatchFinalizer {
  readonly #stages: StagesRepository;
  readonly #results: ResultsRepository;
  readonly #inputs: BatchInputs;
  readonly #store: FileStore;
  readonly #expirer: LineExpirer;
  readonly #limits: BatchLimits;

  constructor(
    stages: StagesRepository,
    results: ResultsRepository,
    inputs: BatchInputs,
    store: FileStore,
    expirer: LineExpirer,
    @Inject(MODULE_OPTIONS_TOKEN) { limits }: BatchModuleOptions,
  ) {
    this.#stages = stages;
    this.#results = results;
    this.#inputs = inputs;
    this.#store = store;
    this.#expirer = expirer;
    this.#limits = limits;
  }

  /** @throws StageLost */
  async finalize(batch: Batch, stage: StageLease): Promise<void> {
    const { completed, failed, total } = batch.counts;
    if (batch.ending === 'completed' && completed + failed < total) return this.#comeBack(batch, stage);
    if (batch.ending === 'expired') await this.#expirer.expire(batch, stage);
    stage.signal.throwIfAborted();
    if (batch.delivery === null) await this.#writeFiles(batch, stage);
    else await this.#deliver(batch, stage);
  }

  /** Lines are missing, because the input wasn't there as it was when they were to be run. */
  async #comeBack(batch: Batch, stage: StageLease): Promise<void> {
    const state = await this.#inputs.state(batch);
    switch (state.kind) {
      case 'same':
        return this.#stages.reopen(batch.seq, stage.owner);
      case 'changed':
        return restartBatch(this.#stages, this.#results, batch, stage, state.version);
      case 'gone':
        await this.#stages.fail(batch.seq, stage.owner, [inputGone().toBatchError()]);
        return;
      default:
        return state satisfies never;
    }
  }

  async #writeFiles(batch: Batch, stage: StageLease): Promise<void> {
    const counts: Counts = { completed: 0, failed: 0 };
    const output = await this.#writeFile(batch, 'output', counts, stage);
    const errors = await this.#writeFile(batch, 'error', counts, stage);
    const { total } = batch.counts;
    await this.#stages.finish(batch, stage.owner, { counts: { total, ...counts }, output, errors });
  }

  /** @returns undefined: it would be empty, and there is none */
  async #writeFile(
    batch: Batch,
    kind: 'output' | 'error',
    counts: Counts,
    { signal }: StageLease,
  ): Promise<StoredFile | undefined> {
    const pages = resultPages(this.#results, { ...keyOf(batch), failed: kind === 'error' }, counts);
    const first = await pages.next();
    if (first.done) return undefined;
    const id = fileId(batch, kind);
    const bytes = await this.#store.write(id, unlessAborted(startingWith(first.value, pages), signal));
    const createdAt = Date.now();
    return {
      id,
      purpose: 'batch_output',
      filename: `${batch.id}_${kind}.jsonl`,
      bytes,
      createdAt,
      expiresAt: expiryOf(createdAt, batch.outputExpiresSeconds, this.#limits),
    };
  }

  async #deliver(batch: Batch, stage: StageLease): Promise<void> {
    let counts: Counts = { completed: 0, failed: 0 };
    const changed = await deliver(batch, () => {
      counts = { completed: 0, failed: 0 };
      return unlessAborted(resultPages(this.#results, keyOf(batch), counts), stage.signal);
    });
    if (changed !== undefined)
      return restartBatch(this.#stages, this.#results, batch, stage, changed.version);
    const { total } = batch.counts;
    await this.#stages.finish(batch, stage.owner, { counts: { total, ...counts } });
  }
}

function keyOf({ seq, counts }: Batch) {
  return { batch: seq, total: counts.total };
}

/** Always the same for a batch: what a killed worker wrote is written over, not left behind. */
function fileId({ id }: Batch, kind: string): string {
  return `file-${createHash('sha256').update(`${id} ${kind}`).digest('hex').slice(0, 24)}`;
}

async function* startingWith<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}

async function* unlessAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  for await (const part of source) {
    signal.throwIfAborted();
    yield part;
  }
}
