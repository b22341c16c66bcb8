import type { BatchRow } from '../../storage/tables.js';
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
    delivery: batch.delivery === undefined ? null : JSON.stringify(batch.delivery),
    schedule_id: batch.scheduleId ?? null,
    lease_until: 0,
    rate_lines: 0,
    purged: 0,
  };
}

/** @param counted of its chunks, as long as it has some */
export function toBatch(row: BatchRow, counted: Omit<LineCounts, 'total'>): Batch {
  return {
    seq: row.seq,
    id: row.id,
    endpoint: row.endpoint,
    lineFormat: row.line_format as LineFormat,
    input: inputOf(row),
    plainKey: row.plain_key,
    completionWindow: row.completion_window,
    metadata: parseJson<Record<string, string>>(row.metadata),
    status: row.status as BatchStatus,
    ending: row.ending as BatchEnding,
    errors: parseJson<BatchError[]>(row.errors) ?? [],
    counts: {
      total: row.total,
      completed: row.completed ?? counted.completed,
      failed: row.failed ?? counted.failed,
    },
    delivery: parseJson<Delivery>(row.delivery),
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
function parseJson<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T);
}
