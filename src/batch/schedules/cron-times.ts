import { CronTime } from 'cron';

const MINUTE_MS = 60_000;

/**
 * The first time after another one that a schedule comes, in milliseconds since 1970; null: it never comes again. A time that a
 * change of the clocks leaves out comes when the clocks have changed; a fixed time of day that they repeat comes once.
 * @param timeZone IANA name
 */
export function nextRun(cron: string, timeZone: string, after: number): number | null {
  const time = new CronTime(cron, timeZone);
  try {
    // where the clocks are put back by half an hour, what is found can lie before where the search began
    for (let from = after; ; from += MINUTE_MS) {
      const found = time.getNextDateFrom(new Date(from), timeZone);
      const at = found.toMillis();
      if (at > after && !isTooEarly(cron, found)) return at;
      from = Math.max(from, at);
    }
  } catch {
    return null; // none in the next eight years
  }
}

/**
 * Just behind the hour that the clocks repeat the library finds a time in that hour first, which the expression doesn't mean.
 * Where they leave an hour out, a time that it doesn't mean is right.
 */
function isTooEarly(cron: string, found: ReturnType<CronTime['getNextDateFrom']>): boolean {
  const wentBack = found.offset < found.minus({ hours: 2 }).offset;
  return wentBack && !isMeant(cron, found.toMillis() + found.offset * MINUTE_MS);
}

/** @param wall what a clock shows, as if that were UTC, where no hour is special */
function isMeant(cron: string, wall: number): boolean {
  return new CronTime(cron, 'UTC').getNextDateFrom(new Date(wall - 1000), 'UTC').toMillis() === wall;
}

/**
 * The run that follows one that was due, and lies after `now`. It goes on from the run that was due where it can: who
 * begins in an hour that the clocks repeat would have the same time of day twice.
 */
export function followingRun(cron: string, timeZone: string, dueAt: number, now: number): number | null {
  const following = nextRun(cron, timeZone, dueAt);
  return following === null || following > now ? following : nextRun(cron, timeZone, now);
}

/** Five fields, or six with seconds first; of a time that comes at all. */
export function isCron(expression: string): boolean {
  return CronTime.validateCronExpression(expression).valid && nextRun(expression, 'UTC', Date.now()) !== null;
}

export function isTimeZone(name: string): boolean {
  try {
    // the library takes names of its own besides, like `local`
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions();
    return timeZone !== '' && nextRun('* * * * *', name, 0) !== null;
  } catch {
    return false;
  }
}
