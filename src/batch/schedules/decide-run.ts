import type { Schedule } from './schedule-types.js';

/** A run that begins later than this was missed: no server looked after its schedule. In milliseconds. */
export const MISSED_MS = 60_000;

export type RunDecision = { readonly run: true } | { readonly run: false; readonly reason: string };

/**
 * Whether a run that is due is to begin.
 * @param unfinished id of a batch of the schedule that isn't finished
 */
export function decideRun(
  { missedRuns, source }: Pick<Schedule, 'missedRuns' | 'source'>,
  dueAt: number,
  now: number,
  unfinished: string | undefined,
): RunDecision {
  if (missedRuns === 'skip' && now - dueAt > MISSED_MS)
    return { run: false, reason: `nobody was there to start it at ${new Date(dueAt).toISOString()}` };
  return decideStart({ source }, unfinished);
}

/** Whether a run may begin beside what is under way. Files of an inbox don't wait for each other. */
export function decideStart(
  { source }: Pick<Schedule, 'source'>,
  unfinished: string | undefined,
): RunDecision {
  if (source.kind === 'inbox' || unfinished === undefined) return { run: true };
  return { run: false, reason: `the batch ${unfinished} of the run before it isn't finished` };
}
