import type { ScheduleOptions } from '../batch-options.interface.js';

/** `config`: changed there only. */
export const SCHEDULE_ORIGINS = ['config', 'api'] as const;
export type ScheduleOrigin = (typeof SCHEDULE_ORIGINS)[number];

/** Times are milliseconds since 1970. */
export interface Schedule extends ScheduleOptions {
  readonly id: string;
  readonly origin: ScheduleOrigin;
  readonly paused: boolean;
  readonly createdAt: number;
  /** Null: it is paused, or never comes again. */
  readonly nextRunAt: number | null;
  /** When it last made a batch, or failed to. */
  readonly lastRunAt: number | null;
  /** What came of the last time: `started: …`, `skipped: …`, `failed: …`; null: it never came. */
  readonly lastOutcome: string | null;
  readonly lastBatchId: string | null;
}

/** What came of one time of a schedule. */
export type RunOutcome =
  | { readonly kind: 'started'; readonly batchIds: readonly string[] }
  | { readonly kind: 'skipped' | 'failed'; readonly reason: string };

/** As `lastOutcome` tells it. */
export function outcomeText(outcome: RunOutcome): string {
  if (outcome.kind !== 'started') return `${outcome.kind}: ${outcome.reason}`;
  return `started: ${outcome.batchIds.length === 0 ? 'no new files' : outcome.batchIds.join(', ')}`;
}
