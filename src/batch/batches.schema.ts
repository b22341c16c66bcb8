import { basename } from 'node:path';
import { z } from 'zod';
import { BATCH_STATUSES, type Batch } from './batch-types.js';
import type { BatchProgress } from './batches.service.js';
import { cursorField, expiresAfterField, numberField, toSeconds } from './files.schema.js';
import { BATCH_ENDPOINTS } from './line-operations.js';
import type { RunningChunk } from './store/progress.repository.js';

/** Batches of one page; OpenAI's numbers. */
const MOST_BATCHES = 100;
const BATCHES = 20;
const MOST_PAIRS = 16;

/** OpenAI's limits. */
export const metadataField = z
  .record(z.string().max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= MOST_PAIRS, `has more than ${MOST_PAIRS} pairs`)
  .nullish();

const endpointProblem = ({ input }: { readonly input?: unknown }): string =>
  input === undefined
    ? 'expected an endpoint, received undefined'
    : `must be one of ${BATCH_ENDPOINTS.join(', ')}`;

/** `POST /v1/batches` */
export const batchRequestSchema = z.strictObject({
  input_file_id: z.string().min(1).describe("Of a file with purpose 'batch'."),
  endpoint: z.enum(BATCH_ENDPOINTS, { error: endpointProblem }).describe('What every line asks for.'),
  completion_window: z
    .string()
    .optional()
    .describe(
      'Hours or days, like 24h or 7d, at most 30d; what is not answered by then expires. Default: 24h.',
    ),
  metadata: metadataField.describe('Up to 16 pairs that come back with the batch.'),
  output_expires_after: expiresAfterField
    .nullish()
    .describe('How long the output and error file are kept. Default: batch.fileDays of the configuration.'),
});
export type BatchRequestBody = z.output<typeof batchRequestSchema>;

/** The query of `GET /v1/batches`. */
export const batchListQuerySchema = z.strictObject({
  after: cursorField.describe('Id of the last batch of the page before.'),
  limit: numberField(1, MOST_BATCHES).default(BATCHES).describe(`Default: ${BATCHES}.`),
});
export type BatchListQuery = z.output<typeof batchListQuerySchema>;

const seconds = z.int().nullable().describe('Unix time, in seconds.');

const runningSchema = z.strictObject({
  first_line: z.int(),
  last_line: z.int(),
  answered: z.int().describe('Lines of these that are answered.'),
  worker: z.strictObject({ id: z.string(), host: z.string().nullable(), pid: z.int().nullable() }),
});

const progressSchema = z
  .strictObject({
    answered: z.int().describe('Lines, with an answer or with an error.'),
    rate: z.number().nullable().describe('Lines per second of late.'),
    eta_seconds: z.int().nullable(),
    chunks: z
      .strictObject({ open: z.int(), running: z.int(), done: z.int() })
      .nullable()
      .describe('Parts that one worker runs at a time; null once the batch has ended.'),
    current: z.array(runningSchema).describe('Lines that are worked on, and by whom.'),
    input: z.string().nullable().describe('Name of the file, where the batch came from a folder.'),
  })
  .describe("Ours, for the batch's operator.");

const batchErrorSchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  line: z.int().nullable(),
  param: z.string().nullable(),
});

export const batchSchema = z.strictObject({
  id: z.string(),
  object: z.literal('batch'),
  endpoint: z.string(),
  errors: z
    .strictObject({ object: z.literal('list'), data: z.array(batchErrorSchema) })
    .nullable()
    .describe('Why nothing of it was run.'),
  input_file_id: z.string().nullable().describe('Null where the batch came from a folder.'),
  completion_window: z.string(),
  status: z.enum(BATCH_STATUSES),
  output_file_id: z.string().nullable(),
  error_file_id: z.string().nullable(),
  created_at: z.int().describe('Unix time, in seconds.'),
  in_progress_at: seconds,
  expires_at: seconds,
  finalizing_at: seconds,
  completed_at: seconds,
  failed_at: seconds,
  expired_at: seconds,
  cancelling_at: seconds,
  cancelled_at: seconds,
  model: z.string().nullable().describe('The one that answers; null: none yet, or several.'),
  usage: z
    .strictObject({
      input_tokens: z.int(),
      input_tokens_details: z.strictObject({ cached_tokens: z.int() }),
      output_tokens: z.int(),
      output_tokens_details: z.strictObject({ reasoning_tokens: z.literal(0) }),
      total_tokens: z.int(),
    })
    .describe('Of the answers so far.'),
  request_counts: z.strictObject({ total: z.int(), completed: z.int(), failed: z.int() }),
  metadata: z.record(z.string(), z.string()).nullable(),
  resident: progressSchema,
});

export const batchListSchema = z.strictObject({
  object: z.literal('list'),
  data: z.array(batchSchema),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

/** As OpenAI has it, and in `resident` how far it is. */
export function formatBatch(batch: Batch, progress: BatchProgress): z.output<typeof batchSchema> {
  const { times, input, errors, counts } = batch;
  return {
    id: batch.id,
    object: 'batch',
    endpoint: batch.endpoint,
    errors: errors.length === 0 ? null : { object: 'list', data: [...errors] },
    input_file_id: input.kind === 'file' ? input.fileId : null,
    completion_window: batch.completionWindow,
    status: batch.status,
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: toSeconds(times.createdAt),
    in_progress_at: secondsOrNull(times.inProgressAt),
    expires_at: secondsOrNull(batch.expiresAt),
    finalizing_at: secondsOrNull(times.finalizingAt),
    completed_at: secondsOrNull(times.completedAt),
    failed_at: secondsOrNull(times.failedAt),
    expired_at: secondsOrNull(times.expiredAt),
    cancelling_at: secondsOrNull(times.cancellingAt),
    cancelled_at: secondsOrNull(times.cancelledAt),
    model: batch.model,
    usage: formatUsage(batch.usage),
    request_counts: { ...counts },
    metadata: batch.metadata && { ...batch.metadata },
    resident: formatProgress(batch, progress),
  };
}

function formatUsage({ promptTokens, cachedTokens, completionTokens }: Batch['usage']) {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 as const },
    total_tokens: promptTokens + completionTokens,
  };
}

function formatProgress(
  batch: Batch,
  { answered, rate, etaSeconds, chunks }: BatchProgress,
): z.output<typeof progressSchema> {
  return {
    answered,
    rate: rate === null ? null : Math.round(rate * 100) / 100,
    eta_seconds: etaSeconds,
    chunks: chunks && { open: chunks.open, running: chunks.running, done: chunks.done },
    current: chunks?.current.map(formatRunning) ?? [],
    input: inputName(batch),
  };
}

function formatRunning({ firstLine, lastLine, answered, worker }: RunningChunk) {
  return { first_line: firstLine, last_line: lastLine, answered, worker: { ...worker } };
}

/** Not the whole path: whoever asks needn't know how this machine is laid out. */
export function inputName({ input }: Pick<Batch, 'input'>): string | null {
  return input.kind === 'path' ? basename(input.path) : null;
}

function secondsOrNull(milliseconds: number | null): number | null {
  return milliseconds === null ? null : toSeconds(milliseconds);
}
