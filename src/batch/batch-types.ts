import type { Usage } from '../engine/types.js';

/** OpenAI's purposes, of which a client uploads the first. */
export const FILE_PURPOSES = ['batch', 'batch_output'] as const;
export type FilePurpose = (typeof FILE_PURPOSES)[number];

export interface StoredFile {
  readonly id: string;
  readonly purpose: FilePurpose;
  readonly filename: string;
  readonly bytes: number;
  /** Milliseconds since 1970, as are all times here. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

/** OpenAI's states of a batch. */
export const BATCH_STATUSES = [
  'validating',
  'failed',
  'in_progress',
  'finalizing',
  'completed',
  'expired',
  'cancelling',
  'cancelled',
] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** Of a batch that isn't over. */
export const UNFINISHED = [
  'validating',
  'in_progress',
  'finalizing',
  'cancelling',
] as const satisfies readonly BatchStatus[];

/** What a batch becomes once its output is written. */
export type BatchEnding = Extract<BatchStatus, 'completed' | 'expired' | 'cancelled'>;

/**
 * How lines are written: `openai` is an envelope with `custom_id`, `method`, `url` and `body`; `flat` is the fields of the body
 * beside `custom_id`, answered in one file.
 */
export type LineFormat = 'openai' | 'flat';

/** The lines of a batch: a file of the API, or one that lies in a folder and stays there until all is answered. */
export type BatchInput =
  | { readonly kind: 'file'; readonly fileId: string }
  /** @property version size and time of change, when the batch was made of it */
  | { readonly kind: 'path'; readonly path: string; readonly version: string };

/** Where the results of an input that lies in a folder go; see `BatchPaths`. */
export interface Delivery {
  /** How files begin that are being written; each worker adds something of its own. */
  readonly temporary: string;
  /** Complete, until the input is moved. */
  readonly complete: string;
  readonly results: string;
  /** Where the input is moved to; null: it stays. */
  readonly done: string | null;
}

/** Why a whole batch failed: nothing of it was run. */
export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly line: number | null;
  readonly param: string | null;
}

export interface LineCounts {
  readonly total: number;
  readonly completed: number;
  /** Answered with an error, those that validation found wrong included. */
  readonly failed: number;
}

export interface NewBatch {
  readonly endpoint: string;
  readonly lineFormat: LineFormat;
  readonly input: BatchInput;
  readonly completionWindow: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly expiresAt: number | null;
  /** How long its output files are kept; default: as uploads that say nothing. */
  readonly outputExpiresSeconds?: number | null;
  readonly delivery?: Delivery;
  readonly scheduleId?: string;
  /** The time of the schedule that it is made for; a second batch of one time is refused. */
  readonly runAt?: number;
}

export interface Batch extends Omit<NewBatch, 'delivery' | 'scheduleId' | 'runAt'> {
  /** Its number among all batches: the key of its chunks and results. */
  readonly seq: number;
  readonly id: string;
  readonly status: BatchStatus;
  readonly ending: BatchEnding;
  readonly errors: readonly BatchError[];
  /** Key in the file store of the plain input, where the input itself is compressed. */
  readonly plainKey: string | null;
  readonly counts: LineCounts;
  /** Of the answers so far. */
  readonly usage: Usage;
  /** The one that answered; null: nobody did yet, or several did. */
  readonly model: string | null;
  readonly outputExpiresSeconds: number | null;
  readonly delivery: Delivery | null;
  readonly scheduleId: string | null;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly times: BatchTimes;
  /** Lines per second of late; null: not known yet. */
  readonly rate: number | null;
}

export interface BatchTimes {
  readonly createdAt: number;
  readonly inProgressAt: number | null;
  readonly finalizingAt: number | null;
  readonly completedAt: number | null;
  readonly failedAt: number | null;
  readonly expiredAt: number | null;
  readonly cancellingAt: number | null;
  readonly cancelledAt: number | null;
}

/** Lines of a batch that one worker runs at a time. */
export interface ChunkRange {
  readonly number: number;
  /** Its first line, counted from 1. */
  readonly firstLine: number;
  readonly lines: number;
  /** Where it begins in the plain input, in bytes. */
  readonly byteStart: number;
  readonly byteLength: number;
  /** Lines of it that validation refused: they are answered already. */
  readonly rejected: number;
}

export interface Chunk extends Omit<ChunkRange, 'rejected'> {
  /** `Batch.seq` */
  readonly batch: number;
  /** Times that somebody took it up, this one included. */
  readonly attempts: number;
}

/** An answered line. */
export interface LineResult {
  readonly line: number;
  readonly failed: boolean;
  /** The line of the output or error file, without its end. */
  readonly body: string;
  /** What the answer took, and who gave it. */
  readonly usage?: Usage;
  readonly model?: string;
}

/** Whether whoever holds a chunk may go on with it. */
export type LeaseState =
  /** It still is theirs. */
  | 'held'
  /** Somebody else has it by now: nothing was written. */
  | 'lost'
  /** The batch was cancelled or has expired: what was handed in is written, the rest isn't wanted. */
  | 'stopped';
