import type { Kysely } from 'kysely';
import type { Usage } from '../../engine/types.js';
import type { BatchRow, Tables } from '../../storage/tables.js';
import type {
  Batch,
  BatchEnding,
  BatchError,
  BatchInput,
  BatchStatus,
  Delivery,
  LineCounts,
  LineFormat,
  NewBatch,
} from '../batch-types.js';

/** A batch as its table has it, before it begins. */
export function newBatchRow(id: string, batch: NewBatch, createdAt: number) {
  const { input } = batch;
  return {
    id,
    endpoint: batch.endpoint,
    line_format: batch.lineFormat,
    input_file_id: input.kind === 'file' ? input.fileId : null,
    input_path: input.kind === 'path' ? input.path : null,
    input_version: input.kind === 'path' ? input.version : null,
    completion_window: batch.completionWindow,
    metadata: batch.metadata && JSON.stringify(batch.metadata),
    status: 'validating' satisfies BatchStatus,
    ending: 'completed' satisfies BatchEnding,
    total: 0,
    created_at: createdAt,
    expires_at: batch.expiresAt,
    output_expires_seconds: batch.outputExpiresSeconds ?? null,
    delivery: batch.delivery === undefined ? null : JSON.stringify(batch.delivery),
    results_path: batch.delivery?.results ?? null,
    schedule_id: batch.scheduleId ?? null,
    schedule_run_at: batch.runAt ?? null,
    lease_until: 0,
    rate_lines: 0,
    ...usageColumns(NOTHING.usage),
    purged: 0,
  };
}

/** What the chunks of a batch tell of its lines. */
export interface ChunkSums extends Omit<LineCounts, 'total'> {
  readonly usage: Usage;
  readonly model: string | null;
}

/** In place of the model's name. */
export const SEVERAL_MODELS = '';

const NOTHING: ChunkSums = {
  completed: 0,
  failed: 0,
  usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 },
  model: null,
};

/** Counts what its chunks tell, as long as it has some. */
export async function loadBatch(row: BatchRow, db: Kysely<Tables>): Promise<Batch> {
  return toBatch(row, row.completed === null ? await sumChunks(row.seq, db) : toSums(row));
}

/** @param seq of the batch */
export async function sumChunks(seq: number, db: Kysely<Tables>): Promise<ChunkSums> {
  const row = await db
    .selectFrom('chunks')
    .select(({ fn }) => [
      fn.sum<number | null>('answered').as('answered'),
      fn.sum<number | null>('failed').as('failed'),
      fn.sum<number | null>('prompt_tokens').as('prompt_tokens'),
      fn.sum<number | null>('cached_tokens').as('cached_tokens'),
      fn.sum<number | null>('completion_tokens').as('completion_tokens'),
      fn.min('model').as('first_model'),
      fn.max('model').as('last_model'),
    ])
    .where('batch', '=', seq)
    .executeTakeFirstOrThrow();
  return toSums({
    completed: (row.answered ?? 0) - (row.failed ?? 0),
    failed: row.failed,
    prompt_tokens: row.prompt_tokens ?? 0,
    cached_tokens: row.cached_tokens ?? 0,
    completion_tokens: row.completion_tokens ?? 0,
    model: row.first_model === row.last_model && row.first_model !== SEVERAL_MODELS ? row.first_model : null,
  });
}

/** As the tables have it. */
export function usageColumns({ promptTokens, cachedTokens, completionTokens }: Usage) {
  return { prompt_tokens: promptTokens, cached_tokens: cachedTokens, completion_tokens: completionTokens };
}

type SumRow = Pick<
  BatchRow,
  'completed' | 'failed' | 'prompt_tokens' | 'cached_tokens' | 'completion_tokens' | 'model'
>;

function toSums({ completed, failed, model, ...row }: SumRow): ChunkSums {
  return {
    completed: completed ?? 0,
    failed: failed ?? 0,
    usage: {
      promptTokens: row.prompt_tokens,
      cachedTokens: row.cached_tokens,
      completionTokens: row.completion_tokens,
    },
    model,
  };
}

/** @param sums of its chunks, or what they were at its end; default: it hasn't begun */
export function toBatch(row: BatchRow, { completed, failed, usage, model } = NOTHING): Batch {
  return {
    seq: row.seq,
    id: row.id,
    endpoint: row.endpoint,
    lineFormat: row.line_format as LineFormat,
    input: inputOf(row),
    plainKey: row.plain_key,
    completionWindow: row.completion_window,
    metadata: parseJson(row.metadata) as Record<string, string> | null,
    status: row.status as BatchStatus,
    ending: row.ending as BatchEnding,
    errors: (parseJson(row.errors) as BatchError[] | null) ?? [],
    counts: { total: row.total, completed, failed },
    usage,
    model,
    outputExpiresSeconds: row.output_expires_seconds,
    delivery: parseJson(row.delivery) as Delivery | null,
    scheduleId: row.schedule_id,
    outputFileId: row.output_file_id,
    errorFileId: row.error_file_id,
    expiresAt: row.expires_at,
    times: {
      createdAt: row.created_at,
      inProgressAt: row.in_progress_at,
      finalizingAt: row.finalizing_at,
      completedAt: row.completed_at,
      failedAt: row.failed_at,
      expiredAt: row.expired_at,
      cancellingAt: row.cancelling_at,
      cancelledAt: row.cancelled_at,
    },
    rate: row.rate,
  };
}

function inputOf({ id, input_file_id, input_path, input_version }: BatchRow): BatchInput {
  if (input_file_id !== null) return { kind: 'file', fileId: input_file_id };
  if (input_path !== null) return { kind: 'path', path: input_path, version: input_version ?? '' };
  throw new Error(`the batch ${id} has no input`);
}

/** What this server wrote itself. */
function parseJson(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}
