import { z } from 'zod';
import type { ScheduleOptions, ScheduleSource } from '../batch-options.interface.js';
import { metadataField } from '../batches.schema.js';
import { toSeconds } from '../files.schema.js';
import { BATCH_ENDPOINTS } from '../line-operations.js';
import { isCron, isTimeZone } from './cron-times.js';
import { SCHEDULE_ORIGINS, type Schedule } from './schedule-types.js';

/** A year. */
const LONGEST_SECONDS = 31_536_000;
const LONGEST_CRON = 256;

/** The limits of every door, by the name that the domain has for them. */
export const scheduleFields = {
  name: z.string().min(1).max(64),
  cron: z
    .string()
    .max(LONGEST_CRON)
    .refine(isCron, 'is not a cron expression (five fields, or six with seconds first)'),
  timeZone: z.string().refine(isTimeZone, 'is not a time zone, like Europe/Berlin'),
  endpoint: z.string(),
  metadata: metadataField,
  timeoutSeconds: z.int().min(1).max(LONGEST_SECONDS).nullish(),
  missedRuns: z.enum(['skip', 'run_once']),
} as const;

const sourceSchema = z.union(
  [
    z.strictObject({ file: z.string().min(1).describe("Id of a file with purpose 'batch'.") }),
    z.strictObject({
      inbox: z.string().min(1).max(256).describe('Pattern of names, e.g. *.jsonl; commas separate several.'),
    }),
    z.strictObject({ provider: z.string().min(1).describe('Name of a LineSource of the application.') }),
  ],
  'must be one of {file: id}, {inbox: pattern}, {provider: name}',
);

const CRON = 'Five fields, or six with seconds first.';
const ENDPOINT = `What every line asks for: ${BATCH_ENDPOINTS.join(', ')}.`;
const TIMEOUT = 'A run that takes longer expires. Default: it takes as long as it takes.';
const MISSED = 'What becomes of a run whose time passed while no server ran.';

/** `POST /v1/schedules` */
export const scheduleRequestSchema = z.strictObject({
  name: scheduleFields.name.describe('One that no other schedule has.'),
  cron: scheduleFields.cron.describe(CRON),
  time_zone: scheduleFields.timeZone.default('UTC').describe('IANA name, e.g. Europe/Berlin.'),
  source: sourceSchema,
  endpoint: scheduleFields.endpoint.describe(ENDPOINT),
  metadata: scheduleFields.metadata.describe('Of its batches.'),
  timeout_seconds: scheduleFields.timeoutSeconds.describe(TIMEOUT),
  missed_runs: scheduleFields.missedRuns.default('skip').describe(MISSED),
});
export type ScheduleRequestBody = z.output<typeof scheduleRequestSchema>;

/** `PATCH /v1/schedules/{id}`: what is left out stays as it is. */
export const scheduleChangeSchema = z.strictObject({
  name: scheduleFields.name.optional(),
  cron: scheduleFields.cron.optional().describe(CRON),
  time_zone: scheduleFields.timeZone.optional(),
  source: sourceSchema.optional(),
  endpoint: scheduleFields.endpoint.optional().describe(ENDPOINT),
  metadata: scheduleFields.metadata,
  timeout_seconds: scheduleFields.timeoutSeconds.describe(TIMEOUT),
  missed_runs: scheduleFields.missedRuns.optional().describe(MISSED),
});
export type ScheduleChangeBody = z.output<typeof scheduleChangeSchema>;

const seconds = z.int().nullable().describe('Unix time, in seconds.');

export const scheduleSchema = z.strictObject({
  id: z.string(),
  object: z.literal('schedule'),
  name: z.string(),
  cron: z.string(),
  time_zone: z.string(),
  source: sourceSchema,
  endpoint: z.string(),
  metadata: z.record(z.string(), z.string()).nullable(),
  timeout_seconds: z.int().nullable(),
  missed_runs: scheduleFields.missedRuns,
  paused: z.boolean(),
  origin: z.enum(SCHEDULE_ORIGINS).describe('One of the configuration is changed there only.'),
  created_at: z.int().describe('Unix time, in seconds.'),
  next_run_at: seconds,
  last_run_at: seconds,
  last_outcome: z.string().nullable().describe('started: …, skipped: … or failed: …'),
  last_batch_id: z.string().nullable(),
});

export const scheduleListSchema = z.strictObject({
  object: z.literal('list'),
  data: z.array(scheduleSchema),
});

export const scheduleDeletedSchema = z.strictObject({
  id: z.string(),
  object: z.literal('schedule'),
  deleted: z.literal(true),
});

export function toScheduleOptions(body: ScheduleRequestBody): ScheduleOptions {
  const { time_zone, source, timeout_seconds, missed_runs, metadata, ...rest } = body;
  return {
    ...rest,
    timeZone: time_zone,
    source: toSource(source),
    metadata: metadata ?? null,
    timeoutSeconds: timeout_seconds ?? null,
    missedRuns: missed_runs,
  };
}

/** Null takes metadata and the time limit away. */
export function toScheduleChange(body: ScheduleChangeBody): Partial<ScheduleOptions> {
  const { name, cron, time_zone, source, endpoint, metadata, timeout_seconds, missed_runs } = body;
  return withoutUndefined({
    name,
    cron,
    timeZone: time_zone,
    source: source && toSource(source),
    endpoint,
    metadata,
    timeoutSeconds: timeout_seconds,
    missedRuns: missed_runs,
  });
}

export function formatSchedule(schedule: Schedule): z.output<typeof scheduleSchema> {
  const { metadata } = schedule;
  return {
    id: schedule.id,
    object: 'schedule',
    name: schedule.name,
    cron: schedule.cron,
    time_zone: schedule.timeZone,
    source: formatSource(schedule.source),
    endpoint: schedule.endpoint,
    metadata: metadata && { ...metadata },
    timeout_seconds: schedule.timeoutSeconds,
    missed_runs: schedule.missedRuns,
    paused: schedule.paused,
    origin: schedule.origin,
    created_at: toSeconds(schedule.createdAt),
    next_run_at: secondsOrNull(schedule.nextRunAt),
    last_run_at: secondsOrNull(schedule.lastRunAt),
    last_outcome: schedule.lastOutcome,
    last_batch_id: schedule.lastBatchId,
  };
}

function toSource(source: z.output<typeof sourceSchema>): ScheduleSource {
  if ('file' in source) return { kind: 'file', fileId: source.file };
  if ('inbox' in source) return { kind: 'inbox', pattern: source.inbox };
  return { kind: 'provider', name: source.provider };
}

function formatSource(source: ScheduleSource): z.output<typeof sourceSchema> {
  switch (source.kind) {
    case 'file':
      return { file: source.fileId };
    case 'inbox':
      return { inbox: source.pattern };
    case 'provider':
      return { provider: source.name };
    default:
      return source satisfies never;
  }
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** A change names what it changes. */
export function withoutUndefined<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}

function secondsOrNull(milliseconds: number | null): number | null {
  return milliseconds === null ? null : toSeconds(milliseconds);
}
