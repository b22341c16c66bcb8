import type { Generated, Selectable } from 'kysely';

/** The tables, as SQLite and Postgres both have them. Times are milliseconds since 1970; JSON is text. */
export interface Tables {
  files: FileTable;
  batches: BatchTable;
  chunks: ChunkTable;
  results: ResultTable;
  schedules: ScheduleTable;
  workers: WorkerTable;
}

interface FileTable {
  id: string;
  purpose: string;
  filename: string;
  bytes: number;
  created_at: number;
  expires_at: number | null;
}

interface BatchTable {
  /** Short key of chunks and results, and the order of creation. */
  seq: Generated<number>;
  id: string;
  endpoint: string;
  line_format: string;
  /** Where the lines come from: a file of the API, or one that lies in a folder. */
  input_file_id: string | null;
  input_path: string | null;
  /** What tells that a file in a folder was written to since. */
  input_version: string | null;
  /** Key of the inflated input in the file store, if the input is compressed. */
  plain_key: string | null;
  completion_window: string;
  metadata: string | null;
  status: string;
  /** What it becomes when it is finalized. */
  ending: string;
  errors: string | null;
  total: number;
  /** Final counts, once the chunks are gone. */
  completed: number | null;
  failed: number | null;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  /** Null: none, or several. */
  model: string | null;
  created_at: number;
  in_progress_at: number | null;
  finalizing_at: number | null;
  completed_at: number | null;
  failed_at: number | null;
  expired_at: number | null;
  cancelling_at: number | null;
  cancelled_at: number | null;
  expires_at: number | null;
  output_file_id: string | null;
  error_file_id: string | null;
  /** How long those are kept; null: the default. */
  output_expires_seconds: number | null;
  /** Where the results of a file in a folder go (JSON). */
  delivery: string | null;
  /** Of the delivery: no two unfinished batches write to one file. */
  results_path: string | null;
  schedule_id: string | null;
  /** The time of the schedule that it was made for: a run has one batch. */
  schedule_run_at: number | null;
  lease_owner: string | null;
  lease_until: number;
  /** Lines per second, smoothed, and what it was measured from. */
  rate: number | null;
  rate_lines: number;
  rate_at: number | null;
  /** Whether chunks and results are gone. */
  purged: number;
}

interface ChunkTable {
  batch: number;
  number: number;
  first_line: number;
  lines: number;
  byte_start: number;
  byte_length: number;
  state: string;
  lease_owner: string | null;
  lease_until: number;
  /** Times that somebody took it up. */
  attempts: number;
  answered: number;
  failed: number;
  /** What its answers took, and the model that gave them; '': several did. */
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  model: string | null;
}

interface ResultTable {
  batch: number;
  line: number;
  failed: number;
  /** The line of the output or error file, without its end. */
  body: string;
}

interface ScheduleTable {
  id: string;
  name: string;
  cron: string;
  time_zone: string;
  source: string;
  endpoint: string;
  options: string;
  missed_runs: string;
  timeout_seconds: number | null;
  paused: number;
  /** `config`: changed there only; `api`: made and changed through the API. */
  origin: string;
  created_at: number;
  next_run_at: number | null;
  last_run_at: number | null;
  /** What came of the last run: `started`, `skipped: …`, `failed: …`. */
  last_outcome: string | null;
  last_batch_id: string | null;
  /** Who starts its run at the moment. */
  lease_owner: string | null;
  lease_until: number;
}

interface WorkerTable {
  id: string;
  host: string;
  pid: number;
  started_at: number;
  seen_at: number;
}

export type FileRow = Selectable<FileTable>;
export type BatchRow = Selectable<BatchTable>;
export type ChunkRow = Selectable<ChunkTable>;
export type ScheduleRow = Selectable<ScheduleTable>;
export type WorkerRow = Selectable<WorkerTable>;
