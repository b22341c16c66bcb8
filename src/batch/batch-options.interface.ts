import type { DatabaseLocation } from '../storage/database.js';

/** How long and how much is kept, and what a batch may be. Sizes are bytes, times as their names say. */
export interface BatchLimits {
  /** Largest upload, and largest input once it is inflated. */
  readonly maxFileBytes: number;
  readonly maxLines: number;
  readonly maxLineBytes: number;
  /** Most bytes of all files together; null: the disk is the limit. */
  readonly quotaBytes: number | null;
  /** Lines in flight at a time, in this process. */
  readonly concurrency: number;
  /** Most lines of a chunk: what one worker takes up at a time. */
  readonly chunkLines: number;
  /** Times that a line is tried again after a failure that may pass. */
  readonly retries: number;
  /** How long files are kept that say nothing themselves; null: until somebody deletes them. */
  readonly fileDays: number | null;
  /** How long ended batches are listed; null: for ever. */
  readonly batchDays: number | null;
}

export type MissedRuns = 'skip' | 'run_once';

/** Where the lines of a scheduled batch come from. */
export type ScheduleSource =
  | { readonly kind: 'file'; readonly fileId: string }
  /** Each file of the inbox whose name fits, e.g. `*.jsonl`, becomes a batch. */
  | { readonly kind: 'inbox'; readonly pattern: string }
  /** A `LineSource` that the application registered. */
  | { readonly kind: 'provider'; readonly name: string };

export interface ScheduleOptions {
  readonly name: string;
  /** Five fields, or six with seconds first. */
  readonly cron: string;
  /** IANA name, e.g. `Europe/Berlin`. */
  readonly timeZone: string;
  readonly source: ScheduleSource;
  /** Of the REST API, e.g. `/v1/chat/completions`. */
  readonly endpoint: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** A run that takes longer expires; null: it takes as long as it takes. */
  readonly timeoutSeconds: number | null;
  /** What becomes of a run whose time passed while no server ran. */
  readonly missedRuns: MissedRuns;
}

export interface BatchModuleOptions {
  readonly database: DatabaseLocation;
  /** Absolute folder of the files. */
  readonly files: string;
  /** Several servers share the work through it; null: this process does it. */
  readonly redis: { readonly url: string; readonly prefix: string } | null;
  /** Most chunks that all servers together take up in so many seconds; null: as fast as it goes. Needs Redis. */
  readonly rateLimit: { readonly chunks: number; readonly seconds: number } | null;
  readonly limits: BatchLimits;
  /** Those of the configuration; null: this process starts no runs, and leaves the schedules of the database as they are. */
  readonly schedules: readonly ScheduleOptions[] | null;
  /** What the API of the schedules asks for; null: it answers callers from this machine only. */
  readonly adminKey: string | null;
  /** When the inbox is looked at; null: never, files are run by hand. */
  readonly cron: string | null;
  /** Absolute folders; made if they don't exist. */
  readonly inbox: string;
  readonly outbox: string;
  readonly done: string;
}
