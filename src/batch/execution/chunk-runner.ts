import { Inject, Injectable } from '@nestjs/common';
import { ModelProvider } from '../../model/model.provider.js';
import { isMissing } from '../../storage/file-store.js';
import type { BatchLimits, BatchModuleOptions } from '../batch-options.interface.js';
import type { Batch, Chunk } from '../batch-types.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { BatchInputs } from '../lines/batch-inputs.js';
import { formatterOf } from '../lines/line-format.js';
import { BatchesRepository } from '../store/batches.repository.js';
import { ChunksRepository, type Lease } from '../store/chunks.repository.js';
import { ResultsRepository } from '../store/results.repository.js';
import { WorkerIdentity } from '../worker-identity.js';
import { ChunkLease, ChunkLost } from './chunk-lease.js';
import { ChunkRun, InputMismatch } from './chunk-run.js';
import { LEASE_MS } from './execution.constants.js';
import { LineRunner, RunEnded } from './line-runner.js';
import { LineSlots } from './line-slots.js';
import { TroubleLog } from './trouble-log.js';

/** What became of a chunk that was taken up. */
export type ChunkEnd =
  | { readonly kind: 'done' }
  /** It is open again, or somebody else's. */
  | { readonly kind: 'given_back' }
  /** Its model can't be had here for now. */
  | { readonly kind: 'held_up'; readonly reason: string };

export interface ChunkRunSignals {
  /** Ends it: what is answered is written, the rest given back. */
  readonly signal: AbortSignal;
  /** Called for each line that needn't be waited for any more. */
  readonly onLine: () => void;
}

/** Runs chunks that this worker has taken up: from the first unanswered line to the last. */
@Injectable()
export class ChunkRunner {
  readonly #batches: BatchesRepository;
  readonly #chunks: ChunksRepository;
  readonly #results: ResultsRepository;
  readonly #inputs: BatchInputs;
  readonly #lines: LineRunner;
  readonly #models: ModelProvider;
  readonly #limits: BatchLimits;
  readonly #slots: LineSlots;
  readonly #lease: Lease;
  readonly #trouble = new TroubleLog('Batches');

  constructor(
    batches: BatchesRepository,
    chunks: ChunksRepository,
    results: ResultsRepository,
    inputs: BatchInputs,
    lines: LineRunner,
    models: ModelProvider,
    worker: WorkerIdentity,
    @Inject(MODULE_OPTIONS_TOKEN) { limits }: BatchModuleOptions,
  ) {
    this.#batches = batches;
    this.#chunks = chunks;
    this.#results = results;
    this.#inputs = inputs;
    this.#lines = lines;
    this.#models = models;
    this.#limits = limits;
    this.#slots = new LineSlots(limits.concurrency);
    this.#lease = { owner: worker.id, milliseconds: LEASE_MS };
  }

  /** @throws whatever the tables or the input fail with: nothing was lost, somebody takes the chunk up again */
  async run(chunk: Chunk, { signal, onLine }: ChunkRunSignals): Promise<ChunkEnd> {
    const lease = new ChunkLease(this.#chunks, chunk, this.#lease, signal, this.#trouble);
    try {
      return await this.#run(chunk, lease, onLine);
    } catch (error) {
      if (error instanceof InputMismatch || isMissing(error)) await this.#batches.endRunEarly(chunk.batch);
      else if (error instanceof RunEnded) return { kind: 'held_up', reason: error.message };
      else if (!(error instanceof ChunkLost)) throw error;
      return { kind: 'given_back' };
    } finally {
      await lease.end();
    }
  }

  async #run(chunk: Chunk, lease: ChunkLease, onLine: () => void): Promise<ChunkEnd> {
    const batch = await this.#batches.getBySeq(chunk.batch);
    if (!batch) throw new ChunkLost('the batch is gone');
    await this.#checkInput(batch);
    const answered = await this.#results.answeredLines(chunk.batch, chunk.firstLine, chunk.lines);
    for (const _ of answered) onLine();
    const run = new ChunkRun({
      batch,
      chunk,
      answered,
      limits: this.#limits,
      inputs: this.#inputs,
      lines: this.#lines,
      formatter: formatterOf(batch, () => this.#models.describe().instanceId ?? null),
      slots: this.#slots,
      record: (results, last) => lease.record(results, last),
      onLine,
    });
    lease.keep((reason) => run.abort(reason));
    await run.run();
    return { kind: 'done' };
  }

  /** @throws InputMismatch */
  async #checkInput(batch: Batch): Promise<void> {
    const { kind } = await this.#inputs.state(batch);
    if (kind !== 'same') throw new InputMismatch(`the input is ${kind}`);
  }
}
