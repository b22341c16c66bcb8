import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { BatchWaker } from '../batch-waker.js';
import { BatchInputs } from '../lines/batch-inputs.js';
import { BatchesRepository } from '../store/batches.repository.js';
import { ResultsRepository } from '../store/results.repository.js';
import { ChunkDispatcher } from './chunk-dispatcher.js';
import { ChunkPool } from './chunk-pool.js';
import { Duty } from './duty.js';
import { RATE_SMOOTHING, RATES_MS, TICK_MS } from './execution.constants.js';
import { Slices } from './slices.js';
import { StageWorker } from './stage-worker.js';
import { TroubleLog } from './trouble-log.js';

/** Results removed at a time. */
const PURGE_PIECE = 1000;

/**
 * Brings every batch nearer to its end: looks each second, and whenever somebody says that there is something to do, which
 * stages wait for a worker and which chunks can be taken up. The tables are the truth: it keeps nothing that a kill would lose.
 */
@Injectable()
export class Reconciler extends BatchWaker implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #batches: BatchesRepository;
  readonly #results: ResultsRepository;
  readonly #inputs: BatchInputs;
  readonly #stageWorker: StageWorker;
  readonly #pool: ChunkPool;
  readonly #dispatcher: ChunkDispatcher;
  readonly #ending = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #runs: Duty;
  readonly #stages: readonly Duty[];
  readonly #cleanUp: Duty;
  readonly #rates: Duty;

  constructor(
    batches: BatchesRepository,
    results: ResultsRepository,
    inputs: BatchInputs,
    stages: StageWorker,
    pool: ChunkPool,
    dispatcher: ChunkDispatcher,
  ) {
    super();
    this.#batches = batches;
    this.#results = results;
    this.#inputs = inputs;
    this.#stageWorker = stages;
    this.#pool = pool;
    this.#dispatcher = dispatcher;
    const trouble = new TroubleLog('Batches');
    this.#runs = new Duty('runs of batches', () => this.#lookAfterRuns(), trouble);
    // two: a large file that is read doesn't hold up a small one
    this.#stages = [0, 1].map(() => new Duty('stages of batches', () => this.#doStages(), trouble));
    this.#cleanUp = new Duty('clean-up of batches', () => this.#purge(), trouble);
    this.#rates = new Duty('rates of batches', () => batches.measureRates(RATE_SMOOTHING), trouble);
    pool.onDry = () => this.wake();
  }

  onApplicationBootstrap(): void {
    this.#timers.push(
      setInterval(() => this.wake(), TICK_MS),
      setInterval(() => this.#rates.wake(), RATES_MS),
    );
    this.wake();
  }

  /** What is answered is written, what isn't is given back. */
  async onModuleDestroy(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#ending.abort();
    const duties = [this.#runs, ...this.#stages, this.#cleanUp, this.#rates];
    await Promise.all([this.#pool.stop(), ...duties.map((duty) => duty.end())]);
  }

  wake(): void {
    this.#runs.wake();
    this.#wakeStages();
    this.#cleanUp.wake();
  }

  #wakeStages(): void {
    for (const duty of this.#stages) duty.wake();
  }

  async #lookAfterRuns(): Promise<void> {
    if ((await this.#batches.endRuns()) > 0) this.#wakeStages();
    await this.#dispatcher.offer();
    this.#pool.wake();
  }

  async #doStages(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted && (await this.#stageWorker.doNext(signal))) this.wake();
  }

  /** A piece at a time: the rest may wait. */
  async #purge(): Promise<void> {
    const slices = new Slices();
    for (const { seq, plainKey } of await this.#batches.unpurged(1)) {
      while ((await this.#results.purge(seq, PURGE_PIECE)) > 0) {
        if (this.#ending.signal.aborted) return;
        await slices.yield();
      }
      if (plainKey !== null) await this.#inputs.deletePlain(plainKey);
      await this.#batches.markPurged(seq);
    }
  }
}
