import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { setMaxListeners } from 'node:events';
import { basename, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledError, InvalidRequestError, ResidentError, messageOf } from '../engine/errors.js';
import { isMissing } from '../storage/file-store.js';
import { choosePaths, cleanOutbox, fileVersion, inboxFiles, makeBatchFolders } from './batch-files.js';
import type { BatchModuleOptions } from './batch-options.interface.js';
import type { Batch } from './batch-types.js';
import { MODULE_OPTIONS_TOKEN } from './batch.module-definition.js';
import { BatchesService, hasEnded, type PathBatchRequest } from './batches.service.js';
import { DeliveriesRepository } from './store/deliveries.repository.js';

/** What is told of a batch of a folder, beside where it lies. */
export type FolderBatchOptions = Omit<PathBatchRequest, 'path' | 'delivery' | 'endpoint'> & {
  /** Of lines that don't say by their fields what they want. Default: completions. */
  readonly endpoint?: string | undefined;
};

export interface FileProgress {
  readonly lines: number;
  readonly failed: number;
}

export interface FileResult extends FileProgress {
  readonly batchId: string;
  /** Path of the results. */
  readonly results: string;
}

export interface RunFileOptions extends FolderBatchOptions {
  /** Ends the waiting; the batch goes on. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (soFar: FileProgress) => void;
}

const DEFAULT_ENDPOINT = '/v1/completions';
const POLL_MS = 200;

/** Makes batches of files that lie in a folder: of the inbox when its schedule says so, or of any file by hand. */
@Injectable()
export class InboxTask implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = new Logger(InboxTask.name);
  readonly #batches: BatchesService;
  readonly #deliveries: DeliveriesRepository;
  readonly #options: BatchModuleOptions;
  readonly #ending = new AbortController();

  constructor(
    batches: BatchesService,
    deliveries: DeliveriesRepository,
    @Inject(MODULE_OPTIONS_TOKEN) options: BatchModuleOptions,
  ) {
    this.#batches = batches;
    this.#deliveries = deliveries;
    this.#options = options;
    setMaxListeners(0, this.#ending.signal); // one per file that somebody waits for
  }

  async onApplicationBootstrap(): Promise<void> {
    const { cron, inbox } = this.#options;
    if (cron === null) return;
    await makeBatchFolders(this.#options);
    await cleanOutbox(this.#options, () => this.#deliveries.resultPaths());
    this.#log.log(`watching ${inbox} (${cron})`);
  }

  onModuleDestroy(): void {
    this.#ending.abort();
  }

  /**
   * Makes a batch of each file of the inbox that is complete and that nobody has taken up. A file whose batch failed, expired or
   * was cancelled is left alone until it is written to.
   * @param pattern of names, e.g. `*.jsonl`; default: every `.jsonl` and `.jsonl.gz`
   */
  async takeUp(pattern?: string, options: FolderBatchOptions = {}): Promise<Batch[]> {
    await makeBatchFolders(this.#options);
    const begun: Batch[] = [];
    for (const file of await inboxFiles(this.#options, pattern)) {
      if (this.#ending.signal.aborted) break;
      const batch = await this.#takeUpFile(file, options);
      if (batch) begun.push(batch);
    }
    return begun;
  }

  /**
   * Makes a batch of a file, from the inbox or from anywhere else. One from the inbox is moved to `done` at its end.
   * @throws InvalidRequestError `conflict`, while another batch of it is under way
   */
  async enqueue(
    file: string,
    { endpoint = DEFAULT_ENDPOINT, ...options }: FolderBatchOptions = {},
  ): Promise<Batch> {
    await makeBatchFolders(this.#options);
    const path = resolve(file);
    for (;;) {
      const delivery = choosePaths(path, this.#options, await this.#deliveries.resultPaths());
      try {
        return await this.#batches.createFromPath({ ...options, path, endpoint, delivery });
      } catch (error) {
        // somebody else chose the name of the results in between: another number
        if (!isConflict(error) || (await this.#deliveries.isUnderWay(path))) throw error;
      }
    }
  }

  /**
   * Runs one file and waits for its results. If this process ends meanwhile, the batch goes on when the next one starts.
   * @throws ResidentError if its batch comes to no results, `cancelled` if the signal or a shutdown ends the waiting
   */
  async runFile(file: string, { signal, onProgress, ...options }: RunFileOptions = {}): Promise<FileResult> {
    const { id, delivery } = await this.enqueue(file, options);
    const ending = signal ? AbortSignal.any([signal, this.#ending.signal]) : this.#ending.signal;
    for (;;) {
      const { status, counts, errors } = await this.#batches.get(id);
      const soFar = { lines: counts.completed + counts.failed, failed: counts.failed };
      onProgress?.(soFar);
      if (status === 'completed') return { ...soFar, batchId: id, results: delivery?.results ?? '' };
      if (status === 'failed')
        throw new InvalidRequestError('invalid_value', errors[0]?.message ?? `The batch ${id} has failed.`);
      if (hasEnded(status)) throw new CancelledError(`The batch ${id} was ended: it is ${status}.`);
      await sleep(POLL_MS, undefined, { signal: ending }).catch(() => {
        throw new CancelledError(`The batch ${id} isn't finished; it goes on with the next start.`);
      });
    }
  }

  async #takeUpFile(file: string, options: FolderBatchOptions): Promise<Batch | undefined> {
    const name = basename(file);
    try {
      if (await this.#deliveries.isTakenUp(file, await fileVersion(file))) return undefined;
      const batch = await this.enqueue(file, options);
      this.#log.log(`${name}: batch ${batch.id}`);
      return batch;
    } catch (error) {
      // another server was faster, or the file is gone
      if (isConflict(error) || isMissing(error)) return undefined;
      this.#log.error(`${name}: left in the inbox: ${messageOf(error)}`);
      return undefined;
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof ResidentError && error.code === 'conflict';
}
