import { Injectable, Logger } from '@nestjs/common';
import type { Batch, BatchStatus } from '../batch-types.js';
import { BatchesRepository } from '../store/batches.repository.js';
import type { Lease } from '../store/chunks.repository.js';
import { StagesRepository } from '../store/stages.repository.js';
import { WorkerIdentity } from '../worker-identity.js';
import { LEASE_MS } from './execution.constants.js';
import { BatchFinalizer } from './finalize-batch.js';
import { StageLease, StageLost } from './stage-lease.js';
import { BatchValidator } from './validate-batch.js';

const FINALIZED: readonly BatchStatus[] = ['finalizing', 'cancelling'];

/** Does the stages that are for one worker alone. */
@Injectable()
export class StageWorker {
  readonly #log = new Logger('Batches');
  readonly #batches: BatchesRepository;
  readonly #stages: StagesRepository;
  readonly #validator: BatchValidator;
  readonly #finalizer: BatchFinalizer;
  readonly #lease: Lease;

  constructor(
    batches: BatchesRepository,
    stages: StagesRepository,
    validator: BatchValidator,
    finalizer: BatchFinalizer,
    worker: WorkerIdentity,
  ) {
    this.#batches = batches;
    this.#stages = stages;
    this.#validator = validator;
    this.#finalizer = finalizer;
    this.#lease = { owner: worker.id, milliseconds: LEASE_MS };
  }

  /**
   * Does the next stage that waits for somebody.
   * @returns false: there is none
   * @throws whatever the tables or files fail with: the stage is taken up again when its lease has run out
   */
  async doNext(signal: AbortSignal): Promise<boolean> {
    const batch = await this.#stages.claimStage(this.#lease);
    if (!batch) return false;
    const isValidation = batch.status === 'validating';
    const wanted = isValidation ? (['validating'] as const) : FINALIZED;
    const stage = new StageLease(this.#stages, batch.seq, this.#lease, wanted, signal);
    try {
      if (isValidation) await this.#validator.validate(batch, stage);
      else await this.#finalizer.finalize(batch, stage);
      await this.#tell(batch);
    } catch (error) {
      const reason: unknown = stage.signal.aborted ? stage.signal.reason : error;
      if (!(reason instanceof StageLost)) throw error;
      await this.#stages.releaseStage(batch.seq, this.#lease.owner);
    } finally {
      stage.end();
    }
    return true;
  }

  async #tell({ seq, id }: Batch): Promise<void> {
    const batch = await this.#batches.getBySeq(seq);
    if (batch) this.#log.log(`${id}: ${batch.status}`);
  }
}
