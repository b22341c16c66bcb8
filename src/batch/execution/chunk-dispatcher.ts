import { Injectable } from '@nestjs/common';
import type { Chunk } from '../batch-types.js';
import { ChunksRepository, type Lease } from '../store/chunks.repository.js';
import { WorkerIdentity } from '../worker-identity.js';
import { LEASE_MS } from './execution.constants.js';

/** Who distributes chunks among workers. The tables know which there are; this is only about who takes which one up, and when. */
export abstract class ChunkDispatcher {
  /** Called when another worker tells that there is something to be taken up. */
  onOffer: () => void = () => undefined;

  /**
   * Takes up a chunk that nobody has.
   * @param except batches whose chunks can't be run here for now
   * @returns undefined: there is none, for now
   */
  abstract take(except: readonly number[]): Promise<Chunk | undefined>;

  /** Tells the others what there is to be taken up; called now and then, and when there is something new. */
  abstract offer(): Promise<void>;

  /** Takes nothing up any more. */
  abstract close(): Promise<void>;
}

/** Each worker looks into the tables for itself. */
@Injectable()
export class LocalDispatcher extends ChunkDispatcher {
  readonly #chunks: ChunksRepository;
  readonly #lease: Lease;

  constructor(chunks: ChunksRepository, worker: WorkerIdentity) {
    super();
    this.#chunks = chunks;
    this.#lease = { owner: worker.id, milliseconds: LEASE_MS };
  }

  take(except: readonly number[]): Promise<Chunk | undefined> {
    return this.#chunks.claim(this.#lease, { except });
  }

  async offer(): Promise<void> {}

  async close(): Promise<void> {}
}
