import { setMaxListeners } from 'node:events';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { BatchModuleOptions } from '../batch-options.interface.js';
import type { Chunk } from '../batch-types.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { ChunkDispatcher } from './chunk-dispatcher.js';
import { ChunkRunner, type ChunkEnd } from './chunk-runner.js';
import { TroubleLog } from './trouble-log.js';

/** Another chunk is taken up when fewer lines than this are left, for each that may be in flight: a tail leaves no slot idle. */
const LINES_AHEAD = 1.25;
/** How long a batch is left to others: if its model can't be had here, and after a failure of the tables or the input; in milliseconds. */
const HOLD_UP_MS = 30_000;
const FAILURE_MS = 2000;

/** The chunks that this worker runs: as many at a time as it takes to keep all its slots busy. */
@Injectable()
export class ChunkPool {
  readonly #log = new Logger('Batches');
  readonly #trouble = new TroubleLog('Batches');
  readonly #runner: ChunkRunner;
  readonly #dispatcher: ChunkDispatcher;
  readonly #most: number;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** Until when batches are left to others, by `Batch.seq`. */
  readonly #heldUp = new Map<number, number>();
  #linesLeft = 0;
  #filling: Promise<void> | undefined;
  /** Grows with every sign that there may be something to take up. */
  #signs = 0;
  /** As of which sign there was nothing. */
  #foundNothingAt = -1;
  /** Called when a chunk has ended and there was no other. */
  onDry: () => void = () => undefined;

  constructor(
    runner: ChunkRunner,
    dispatcher: ChunkDispatcher,
    @Inject(MODULE_OPTIONS_TOKEN) { limits }: BatchModuleOptions,
  ) {
    this.#runner = runner;
    this.#dispatcher = dispatcher;
    dispatcher.onOffer = () => this.wake();
    this.#most = limits.concurrency * LINES_AHEAD;
    setMaxListeners(0, this.#ending.signal); // one for each chunk
  }

  /** There may be something to take up. */
  wake(): void {
    this.#signs++;
    this.#fill();
  }

  /** Ends what runs: what is answered is written, the rest is given back. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#dispatcher.close();
    await this.#filling;
    await Promise.all(this.#running);
  }

  get #wantsMore(): boolean {
    return this.#linesLeft < this.#most && !this.#ending.signal.aborted && this.#foundNothingAt < this.#signs;
  }

  #fill(): void {
    if (!this.#wantsMore) return;
    this.#filling ??= this.#takeUp()
      .catch((error: unknown) => this.#trouble.failed('chunks of batches', error))
      .finally(() => {
        this.#filling = undefined;
        this.#fill();
      });
  }

  async #takeUp(): Promise<void> {
    while (this.#wantsMore) {
      const signs = this.#signs;
      const chunk = await this.#take(signs);
      if (chunk) this.#start(chunk);
      else this.#foundNothingAt = signs;
    }
  }

  /** What fails is tried again with the next sign. */
  async #take(signs: number): Promise<Chunk | undefined> {
    try {
      const chunk = await this.#dispatcher.take(this.#batchesHeldUp());
      this.#trouble.worked('chunks of batches');
      return chunk;
    } catch (error) {
      this.#foundNothingAt = signs;
      throw error;
    }
  }

  #start(chunk: Chunk): void {
    const run = this.#run(chunk).finally(() => {
      this.#running.delete(run);
      this.#fill();
      if (this.#foundNothingAt === this.#signs) this.onDry();
    });
    this.#running.add(run);
  }

  /** Never rejects. */
  async #run(chunk: Chunk): Promise<void> {
    let left = chunk.lines;
    this.#linesLeft += left;
    const onLine = (): void => {
      left--;
      this.#linesLeft--;
      this.#fill();
    };
    try {
      this.#onEnd(chunk, await this.#runner.run(chunk, { signal: this.#ending.signal, onLine }));
    } catch (error) {
      this.#heldUp.set(chunk.batch, Date.now() + FAILURE_MS);
      this.#trouble.failed(`a chunk of batch number ${chunk.batch}`, error);
    } finally {
      this.#linesLeft -= left;
    }
  }

  #onEnd({ batch }: Chunk, end: ChunkEnd): void {
    switch (end.kind) {
      case 'done':
        this.#trouble.worked(`a chunk of batch number ${batch}`);
        return;
      case 'given_back':
        return;
      case 'held_up':
        this.#log.warn(`batch number ${batch} waits ${HOLD_UP_MS / 1000} s: ${end.reason}`);
        this.#heldUp.set(batch, Date.now() + HOLD_UP_MS);
        return;
      default:
        end satisfies never;
    }
  }

  #batchesHeldUp(): number[] {
    for (const [batch, until] of this.#heldUp) if (until <= Date.now()) this.#heldUp.delete(batch);
    return [...this.#heldUp.keys()];
  }
}
