import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../engine/errors.js';
import { BatchWaker } from './batch-waker.js';
import type { Batch, BatchStatus, Delivery, NewBatch } from './batch-types.js';
import { fileVersion } from './batch-files.js';
import { BATCH_ENDPOINTS } from './line-operations.js';
import { BatchesRepository } from './store/batches.repository.js';
import { FilesRepository, type Page } from './store/files.repository.js';
import { ProgressRepository, type ChunkProgress } from './store/progress.repository.js';

interface BatchRequest {
  /** Of the REST API, one for all lines. */
  readonly endpoint: string;
  readonly metadata?: Readonly<Record<string, string>> | null | undefined;
  /** When what isn't answered yet won't be any more; default: at the end of the completion window, if there is one. */
  readonly expiresAt?: number | null | undefined;
  readonly scheduleId?: string | undefined;
  /** The time of the schedule that it is made for: a second batch of one time is a conflict. */
  readonly runAt?: number | undefined;
}

export interface FileBatchRequest extends BatchRequest {
  readonly inputFileId: string;
  /** Hours or days, e.g. `24h` or `7d`; at most 30 days. Default: `24h`. */
  readonly completionWindow?: string | undefined;
  /** How long its output files are kept. Default: as long as uploads that say nothing. */
  readonly outputExpiresSeconds?: number | null | undefined;
}

export interface PathBatchRequest extends BatchRequest {
  /** Absolute. */
  readonly path: string;
  readonly delivery: Delivery;
}

/** What an operator wants to know of a batch beside what OpenAI tells. */
export interface BatchProgress {
  readonly answered: number;
  /** Lines per second of late; null: not known, or it is over. */
  readonly rate: number | null;
  readonly etaSeconds: number | null;
  /** Null once it has ended. */
  readonly chunks: ChunkProgress | null;
}

const HOUR_MS = 3_600_000;
const UNIT_MS = { h: HOUR_MS, d: 24 * HOUR_MS } as const;
const WINDOW = /^([1-9]\d{0,2})([hd])$/;
const LONGEST_WINDOW_MS = 30 * 24 * HOUR_MS;
/** Of batches that nobody waits for on the API: they take as long as they take. */
const NO_WINDOW = 'none';

/** Batches, for every door: REST, GraphQL, the command line, schedules. What executes them is elsewhere. */
@Injectable()
export class BatchesService {
  readonly #batches: BatchesRepository;
  readonly #files: FilesRepository;
  readonly #progress: ProgressRepository;
  readonly #waker: BatchWaker;

  constructor(
    batches: BatchesRepository,
    files: FilesRepository,
    progress: ProgressRepository,
    waker: BatchWaker,
  ) {
    this.#batches = batches;
    this.#files = files;
    this.#progress = progress;
    this.#waker = waker;
  }

  /**
   * Makes a batch of a file of the API, with a line of OpenAI's format for each request.
   * @throws InvalidRequestError naming the field at fault; `file_not_found`
   */
  async create(request: FileBatchRequest): Promise<Batch> {
    const { endpoint, inputFileId, completionWindow = '24h' } = request;
    checkEndpoint(endpoint);
    const windowMs = windowOf(completionWindow);
    await this.#checkInput(inputFileId);
    return this.#create({
      endpoint,
      lineFormat: 'openai',
      input: { kind: 'file', fileId: inputFileId },
      completionWindow: request.expiresAt === null ? NO_WINDOW : completionWindow,
      metadata: request.metadata ?? null,
      expiresAt: request.expiresAt === undefined ? Date.now() + windowMs : request.expiresAt,
      outputExpiresSeconds: request.outputExpiresSeconds ?? null,
      ...ofSchedule(request),
    });
  }

  /**
   * Makes a batch of a file that stays where it is until all is answered, with flat lines.
   * @throws InvalidRequestError `conflict`, if there is an unfinished one of this file
   */
  async createFromPath(request: PathBatchRequest): Promise<Batch> {
    const { path, delivery, endpoint, metadata = null, expiresAt = null } = request;
    checkEndpoint(endpoint);
    return this.#create({
      endpoint,
      lineFormat: 'flat',
      input: { kind: 'path', path, version: await fileVersion(path) },
      completionWindow: NO_WINDOW,
      metadata,
      expiresAt,
      delivery,
      ...ofSchedule(request),
    });
  }

  /** @throws InvalidRequestError `batch_not_found` */
  async get(id: string): Promise<Batch> {
    const batch = await this.#batches.get(id);
    if (!batch) throw notFound(id);
    return batch;
  }

  /** The batch of a file in a folder that isn't finished. */
  async underWay(path: string): Promise<Batch | undefined> {
    const batches = await this.#batches.unfinished();
    return batches.find(({ input }) => input.kind === 'path' && input.path === path);
  }

  /**
   * The newest first.
   * @throws InvalidRequestError if the cursor is no batch
   */
  async list({ after, limit }: Page): Promise<{ batches: Batch[]; hasMore: boolean }> {
    if (after !== undefined && !(await this.#batches.get(after)))
      throw new InvalidRequestError('invalid_value', `There is no batch '${after}' to go on after.`, {
        param: 'after',
      });
    const batches = await this.#batches.list({ after, limit: limit + 1 });
    return { batches: batches.slice(0, limit), hasMore: batches.length > limit };
  }

  /**
   * What is answered is delivered, the rest isn't run any more.
   * @throws InvalidRequestError `batch_not_found`; `conflict`, if it is too late
   */
  async cancel(id: string): Promise<Batch> {
    const batch = await this.#batches.cancel(id);
    if (!batch) throw notFound(id);
    if (batch.status !== 'cancelling' && batch.status !== 'cancelled')
      throw new InvalidRequestError(
        'conflict',
        `The batch '${id}' can't be cancelled: it is ${batch.status}.`,
      );
    this.#waker.wake();
    return batch;
  }

  /** How far a batch is. */
  async progress({ seq, status, counts, rate }: Batch): Promise<BatchProgress> {
    const answered = counts.completed + counts.failed;
    if (hasEnded(status)) return { answered, rate: null, etaSeconds: null, chunks: null };
    const chunks = await this.#progress.chunks(seq);
    if (status !== 'in_progress' || rate === null) return { answered, rate, etaSeconds: null, chunks };
    const etaSeconds = rate > 0 ? Math.ceil((counts.total - answered) / rate) : null;
    return { answered, rate, etaSeconds, chunks };
  }

  async #create(batch: NewBatch): Promise<Batch> {
    const created = await this.#batches.create(batch);
    this.#waker.wake();
    return created;
  }

  async #checkInput(fileId: string): Promise<void> {
    const file = await this.#files.get(fileId);
    const param = 'input_file_id';
    if (!file) throw new InvalidRequestError('file_not_found', `There is no file '${fileId}'.`, { param });
    if (file.purpose !== 'batch')
      throw new InvalidRequestError(
        'invalid_value',
        `The file '${fileId}' was not uploaded with purpose 'batch'.`,
        { param },
      );
  }
}

/** Whether nothing becomes of it any more. */
export function hasEnded(status: BatchStatus): boolean {
  switch (status) {
    case 'completed':
    case 'failed':
    case 'expired':
    case 'cancelled':
      return true;
    case 'validating':
    case 'in_progress':
    case 'finalizing':
    case 'cancelling':
      return false;
    default:
      return status satisfies never;
  }
}

function ofSchedule({ scheduleId, runAt }: BatchRequest): Pick<NewBatch, 'scheduleId' | 'runAt'> {
  return {
    ...(scheduleId === undefined ? {} : { scheduleId }),
    ...(runAt === undefined ? {} : { runAt }),
  };
}

/** @throws InvalidRequestError if batches can't ask for it */
export function checkEndpoint(endpoint: string): void {
  if (BATCH_ENDPOINTS.includes(endpoint)) return;
  throw new InvalidRequestError(
    'invalid_value',
    `Invalid value for 'endpoint': batches take ${BATCH_ENDPOINTS.join(', ')}.`,
    { param: 'endpoint' },
  );
}

/** @returns milliseconds */
function windowOf(completionWindow: string): number {
  const [, number, unit] = WINDOW.exec(completionWindow) ?? [];
  const milliseconds = Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS];
  if (milliseconds <= LONGEST_WINDOW_MS) return milliseconds;
  throw new InvalidRequestError(
    'invalid_value',
    "Invalid value for 'completion_window': must be hours or days like 24h or 7d, at most 30d.",
    { param: 'completion_window' },
  );
}

function notFound(id: string): InvalidRequestError {
  return new InvalidRequestError('batch_not_found', `There is no batch '${id}'.`);
}
