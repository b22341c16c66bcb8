import type { BatchStatus } from '../batch-types.js';

import type { Lease } from '../store/chunks.repository.js';
import type { StagesRepository } from '../store/stages.repository.js';
import { RENEW_MS } from './execution.constants.js';

/** Why a stage ends before its end. */
export class StageLost extends Error {}

/** Keeps a stage of a batch while one worker does it, and tells when there is no use in going on. */
export class StageLease {
  readonly #stages: StagesRepository;
  readonly #seq: number;
  readonly #wanted: readonly BatchStatus[];
  readonly #ending = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort: () => void;

  /**
   * @param wanted the states of the batch in which the stage is wanted
   * @param signal of whoever ends the work
   */
  constructor(
    stages: StagesRepository,
    seq: number,
    readonly lease: Lease,
    wanted: readonly BatchStatus[],
    readonly outer: AbortSignal,
  ) {
    this.#stages = stages;
    this.#seq = seq;
    this.#wanted = wanted;
    this.#timer = setInterval(() => void this.#renew(), RENEW_MS);
    this.#onAbort = () => this.#ending.abort(new StageLost('the server shuts down'));
    outer.addEventListener('abort', this.#onAbort, { once: true });
    if (outer.aborted) this.#onAbort();
  }

  /** Aborts when the stage is somebody else's, or isn't wanted any more. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  get owner(): string {
    return this.lease.owner;
  }

  /** What a write under the lease found. @throws StageLost */
  check(status: BatchStatus | undefined): void {
    if (status === undefined) this.#ending.abort(new StageLost('another worker does it'));
    else if (!this.#wanted.includes(status)) this.#ending.abort(new StageLost(`the batch is ${status}`));
    this.signal.throwIfAborted();
  }

  /** Stops renewing. */
  end(): void {
    clearInterval(this.#timer);
    this.outer.removeEventListener('abort', this.#onAbort);
  }

  async #renew(): Promise<void> {
    try {
      this.check(await this.#stages.renewStage(this.#seq, this.lease));
    } catch (error) {
      // tables that can't be reached now: whoever writes next finds out whether the lease still holds
      if (error instanceof StageLost) this.end();
    }
  }
}
