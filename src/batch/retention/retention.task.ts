import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { existsSync } from 'node:fs';
import { messageOf } from '../../engine/errors.js';
import { FileStore } from '../../storage/file-store.js';
import { cleanOutbox } from '../batch-files.js';
import type { BatchModuleOptions } from '../batch-options.interface.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { BatchesRepository } from '../store/batches.repository.js';
import { DeliveriesRepository } from '../store/deliveries.repository.js';
import { RetentionRepository } from './retention.repository.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Rows of one statement, and objects that are looked up together. */
const PIECE = 200;
/** Files, batches and objects that one run removes at most: what is left goes an hour later. */
const MOST_ROWS = 10_000;
/** An object without a row is left alone for so long: its row may be on the way. */
const ORPHAN_MS = HOUR_MS;

/** What one run removed. */
export interface Removed {
  readonly files: number;
  readonly batches: number;
  /** Objects that belonged to nothing. */
  readonly orphans: number;
}

/** Removes what nobody needs any more: at start, then once an hour. Several servers may do it at once. */
@Injectable()
export class RetentionTask implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = new Logger('Retention');
  readonly #store: FileStore;
  readonly #batches: BatchesRepository;
  readonly #deliveries: DeliveriesRepository;
  readonly #retention: RetentionRepository;
  readonly #options: BatchModuleOptions;
  #ending = false;
  #running: Promise<void> | undefined;

  constructor(
    store: FileStore,
    batches: BatchesRepository,
    deliveries: DeliveriesRepository,
    retention: RetentionRepository,
    @Inject(MODULE_OPTIONS_TOKEN) options: BatchModuleOptions,
  ) {
    this.#store = store;
    this.#batches = batches;
    this.#deliveries = deliveries;
    this.#retention = retention;
    this.#options = options;
  }

  /** Not awaited: the start needn't wait for it. */
  onApplicationBootstrap(): void {
    void this.tick();
  }

  async onModuleDestroy(): Promise<void> {
    this.#ending = true;
    await this.#running;
  }

  @Interval('resident.retention', HOUR_MS)
  tick(): Promise<void> {
    if (this.#ending) return Promise.resolve();
    this.#running ??= this.#runAndTell().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** One run. */
  async removeOld(): Promise<Removed> {
    const now = Date.now();
    const files = await this.#removeExpired(now);
    const batches = await this.#removeBatches(now);
    const orphans = await this.#removeOrphans(now);
    if (existsSync(this.#options.outbox))
      await cleanOutbox(this.#options, () => this.#deliveries.resultPaths());
    return { files, batches, orphans };
  }

  async #runAndTell(): Promise<void> {
    try {
      const { files, batches, orphans } = await this.removeOld();
      if (files + batches + orphans > 0)
        this.#log.log(`removed ${files} files, ${batches} batches and ${orphans} leftovers`);
    } catch (error) {
      if (!this.#ending) this.#log.error(`nothing was removed: ${messageOf(error)}`);
    }
  }

  async #removeExpired(now: number): Promise<number> {
    let removed = 0;
    while (removed < MOST_ROWS && !this.#ending) {
      const ids = await this.#retention.deleteExpiredFiles(now, PIECE);
      // after a kill in between they are orphans
      for (const id of ids) await this.#store.delete(id);
      removed += ids.length;
      if (ids.length < PIECE) break;
    }
    return removed;
  }

  async #removeBatches(now: number): Promise<number> {
    const { batchDays } = this.#options.limits;
    if (batchDays === null) return 0;
    let removed = 0;
    while (removed < MOST_ROWS && !this.#ending) {
      const piece = await this.#batches.deleteEndedBefore(now - batchDays * DAY_MS, PIECE);
      removed += piece;
      if (piece < PIECE) break;
    }
    return removed;
  }

  async #removeOrphans(now: number): Promise<number> {
    let removed = 0;
    let old: string[] = [];
    for await (const { key, modifiedAt } of this.#store.list()) {
      if (this.#ending || removed >= MOST_ROWS) break;
      if (modifiedAt > now - ORPHAN_MS) continue;
      old.push(key);
      if (old.length < PIECE) continue;
      removed += await this.#removeUnneeded(old);
      old = [];
    }
    return removed + (await this.#removeUnneeded(old));
  }

  /** @returns how many of them */
  async #removeUnneeded(keys: readonly string[]): Promise<number> {
    if (keys.length === 0) return 0;
    const listed = await this.#retention.listedFiles(keys);
    const inUse = await this.#retention.inUse();
    const unneeded = keys.filter(
      (key) => !listed.has(key) && !inUse.keys.has(key) && !inUse.batchIds.some((id) => key.startsWith(id)),
    );
    for (const key of unneeded) await this.#store.delete(key);
    return unneeded.length;
  }
}
