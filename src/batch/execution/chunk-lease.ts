import { setTimeout as sleep } from 'node:timers/promises';
import type { Chunk, LeaseState, LineResult } from '../batch-types.js';
import type { ChunksRepository, Lease } from '../store/chunks.repository.js';
import { RENEW_MS } from './execution.constants.js';
import type { TroubleLog } from './trouble-log.js';

/** There is no use in going on with a chunk: it is somebody else's, isn't wanted any more, or this process ends. */
export class ChunkLost extends Error {}

/** Between two tries to write results, in milliseconds. */
const RETRY_MS = 500;
/** How long a process that ends tries to write what is answered, in milliseconds. */
const LAST_TRIES_MS = 1200;

/** A chunk in this worker's hands: writes results to it, and keeps it meanwhile. */
export class ChunkLease {
  readonly #chunks: ChunksRepository;
  readonly #chunk: Chunk;
  readonly #lease: Lease;
  readonly #signal: AbortSignal;
  readonly #trouble: TroubleLog;
  #timer: NodeJS.Timeout | undefined;
  #writtenAt = 0;
  #isOver = false;
  #onLost: ((reason: Error) => void) | undefined;

  /** @param signal of the process that ends */
  constructor(
    chunks: ChunksRepository,
    chunk: Chunk,
    lease: Lease,
    signal: AbortSignal,
    trouble: TroubleLog,
  ) {
    this.#chunks = chunks;
    this.#chunk = chunk;
    this.#lease = lease;
    this.#signal = signal;
    this.#trouble = trouble;
  }

  /** @param onLost called once, with a ChunkLost, when there is no use in going on */
  keep(onLost: (reason: Error) => void): void {
    this.#onLost = onLost;
    this.#writtenAt = Date.now();
    this.#timer = setInterval(() => void this.#renew(), RENEW_MS / 2);
    this.#signal.addEventListener('abort', this.#onEnd, { once: true });
    if (this.#signal.aborted) this.#onEnd();
  }

  /**
   * Writes results. Tables that can't be reached for a while are waited for: what a model answered isn't thrown away.
   * @throws ChunkLost it was somebody else's by then: nothing was written
   */
  async record(results: readonly LineResult[], last: boolean): Promise<void> {
    for (const began = Date.now(); ; await sleep(RETRY_MS)) {
      try {
        const state = await this.#chunks.record(this.#chunk, this.#lease, results, last);
        this.#trouble.worked('results of a batch');
        this.#writtenAt = Date.now();
        if (last && state !== 'lost') this.#isOver = true;
        else this.#look(state);
        if (state === 'lost') throw new ChunkLost('somebody else has the chunk');
        return;
      } catch (error) {
        if (error instanceof ChunkLost) throw error;
        if (this.#signal.aborted && Date.now() - began > LAST_TRIES_MS) throw error;
        this.#trouble.failed('results of a batch', error);
      }
    }
  }

  /** Gives it back, unless it is done. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#signal.removeEventListener('abort', this.#onEnd);
    if (this.#isOver) return;
    // where the tables can't be reached it runs out by itself
    await this.#chunks.release(this.#chunk, this.#lease.owner).catch(() => undefined);
  }

  #onEnd = (): void => this.#lost('this process ends');

  async #renew(): Promise<void> {
    if (Date.now() - this.#writtenAt < RENEW_MS) return;
    try {
      this.#look(await this.#chunks.renew(this.#chunk, this.#lease));
      this.#writtenAt = Date.now();
    } catch {
      // whoever writes next finds out whether it is still ours
    }
  }

  #look(state: LeaseState): void {
    switch (state) {
      case 'held':
        return;
      case 'lost':
        this.#isOver = true;
        return this.#lost('somebody else has the chunk');
      case 'stopped':
        return this.#lost('the batch has ended');
      default:
        state satisfies never;
    }
  }

  #lost(reason: string): void {
    this.#onLost?.(new ChunkLost(reason));
    this.#onLost = undefined;
  }
}
