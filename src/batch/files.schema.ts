import { z } from 'zod';
import { FILE_PURPOSES, type StoredFile } from './batch-types.js';

/** Most files of one page; OpenAI's limit. */
const MOST_FILES = 10_000;
/** OpenAI's: an hour to 30 days. */
const LEAST_EXPIRY_SECONDS = 3600;
const MOST_EXPIRY_SECONDS = 30 * 24 * 3600;

export const cursorField = z.string().min(1).optional();

/** A number in a query or in a form, where everything is text. */
export function numberField(least: number, most: number) {
  return z
    .string()
    .refine((text) => /^\d{1,9}$/.test(text), 'must be a number')
    .transform(Number)
    .pipe(z.int().min(least).max(most))
    .meta({ type: 'integer', minimum: least, maximum: most });
}

/** How long a file is kept, in a JSON body. */
export const expiresAfterField = z.strictObject({
  anchor: z.literal('created_at'),
  seconds: z.int().min(LEAST_EXPIRY_SECONDS).max(MOST_EXPIRY_SECONDS),
});

/** The fields of `POST /v1/files` beside the file. */
export const uploadFieldsSchema = z.strictObject({
  purpose: z.literal('batch', {
    error: ({ input }) =>
      input === undefined
        ? 'expected batch, received undefined'
        : "must be 'batch': nothing else is read here",
  }),
  expires_after: expiresAfterField
    .extend({ seconds: numberField(LEAST_EXPIRY_SECONDS, MOST_EXPIRY_SECONDS) })
    .optional(),
});
export type UploadFields = z.output<typeof uploadFieldsSchema>;

/** The whole form, for the document of the API. */
export const uploadSchema = uploadFieldsSchema.extend({ file: z.file() });

/** The query of `GET /v1/files`. */
export const fileListQuerySchema = z.strictObject({
  purpose: z.string().min(1).optional().describe('Only these.'),
  after: cursorField.describe('Id of the last file of the page before.'),
  limit: numberField(1, MOST_FILES).default(MOST_FILES).describe(`Default: ${MOST_FILES}.`),
  order: z.enum(['asc', 'desc']).default('desc').describe('By time of creation.'),
});
export type FileListQuery = z.output<typeof fileListQuerySchema>;

const seconds = z.int().describe('Unix time, in seconds.');

export const fileSchema = z.strictObject({
  id: z.string(),
  object: z.literal('file'),
  bytes: z.int(),
  created_at: seconds,
  expires_at: seconds.optional().describe('Left out: it is kept until somebody deletes it.'),
  filename: z.string(),
  purpose: z.enum(FILE_PURPOSES),
  status: z.literal('processed'),
});

export const fileListSchema = z.strictObject({
  object: z.literal('list'),
  data: z.array(fileSchema),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

export const fileDeletedSchema = z.strictObject({
  id: z.string(),
  object: z.literal('file'),
  deleted: z.literal(true),
});

/** As OpenAI has it. */
export function formatFile({
  id,
  bytes,
  createdAt,
  expiresAt,
  filename,
  purpose,
}: StoredFile): z.output<typeof fileSchema> {
  return {
    id,
    object: 'file',
    bytes,
    created_at: toSeconds(createdAt),
    ...(expiresAt === null ? {} : { expires_at: toSeconds(expiresAt) }),
    filename,
    purpose,
    status: 'processed',
  };
}

/** A page of a list, as OpenAI has it. */
export function formatPage<Item extends { readonly id: string }>(data: Item[], hasMore: boolean) {
  return {
    object: 'list' as const,
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
  };
}

/** Unix time, as OpenAI tells it. */
export function toSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
