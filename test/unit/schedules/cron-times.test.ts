import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { followingRun, isCron, isTimeZone, nextRun } from '../../../src/batch/schedules/cron-times.js';

const DAY = 86_400_000;
const MINUTE = 60_000;

/** What a clock on the wall shows, from Intl and nothing else. */
function wall(time: number, timeZone: string): { date: string; clock: string } {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  }).formatToParts(time);
  const of = (type: string): string => parts.find((part) => part.type === type)?.value ?? '';
  return { date: `${of('year')}-${of('month')}-${of('day')}`, clock: `${of('hour')}:${of('minute')}` };
}

function runsFrom(cron: string, timeZone: string, start: number, count: number): number[] {
  const runs: number[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    at = nextRun(cron, timeZone, at) ?? Number.NaN;
    runs.push(at);
  }
  return runs;
}

const iso = (time: number | null): string | null => (time === null ? null : new Date(time).toISOString());

describe('a daily 02:30 in Berlin', () => {
  const daily = (start: string) => runsFrom('30 2 * * *', 'Europe/Berlin', Date.parse(start), 3).map(iso);

  it('comes once when the clocks go forward and leave it out: when they have', () => {
    expect(daily('2026-03-28T12:00:00Z')).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
      '2026-03-31T00:30:00.000Z',
    ]);
  });

  it('comes once when the clocks go back and show it twice', () => {
    expect(daily('2026-10-24T12:00:00Z')).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
      '2026-10-27T01:30:00.000Z',
    ]);
  });

  it('comes once, and not an hour early, when they have just gone back', () => {
    const start = Date.parse('2026-10-24T12:00:00Z');
    expect(runsFrom('0 3 * * *', 'Europe/Berlin', start, 2).map(iso)).toEqual([
      '2026-10-25T02:00:00.000Z',
      '2026-10-26T02:00:00.000Z',
    ]);
  });

  it('comes each time that they are shown, if the hour is not named', () => {
    const start = Date.parse('2026-10-24T23:59:00Z'); // 01:59, and three hours on until it is 04:00
    const runs = runsFrom('*/20 * * * *', 'Europe/Berlin', start, 9);
    expect(runs).toEqual(runs.map((_, i) => start + MINUTE + i * 20 * MINUTE));
  });

  it('comes once also for a server that starts between the two', () => {
    const dueAt = Date.parse('2026-10-25T00:30:00Z');
    const now = Date.parse('2026-10-25T01:10:00Z');
    expect(iso(followingRun('30 2 * * *', 'Europe/Berlin', dueAt, now))).toBe('2026-10-26T01:30:00.000Z');
  });
});

it('a daily time comes exactly once a day, at that time, in every zone that changes by the hour', () => {
  const zones = [
    'Europe/Berlin',
    'America/New_York',
    'America/Santiago',
    'Asia/Kathmandu',
    'Pacific/Apia',
    'UTC',
  ];
  // around the days of a change, in both halves of the world, and anywhere else
  const starts = fc.oneof(
    fc
      .constantFrom('2026-03-27', '2026-10-23', '2026-03-06', '2026-10-30', '2026-04-03', '2026-09-04')
      .map((day) => Date.parse(`${day}T12:00:00Z`)),
    fc.integer({ min: 0, max: 3000 }).map((days) => Date.parse('2020-01-01T12:00:00Z') + days * DAY),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      starts,
      fc.integer({ min: 0, max: 23 }),
      fc.integer({ min: 0, max: 59 }),
      (timeZone, start, hour, minute) => {
        const runs = runsFrom(`${minute} ${hour} * * *`, timeZone, start, 5);
        const clock = `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
        const dates = runs.map((run) => Date.parse(wall(run, timeZone).date));
        expect(dates).toEqual(runs.map((_, i) => (dates[0] as number) + i * DAY));
        for (const run of runs) {
          const { date, clock: shown } = wall(run, timeZone);
          if (shown === clock) continue;
          // only where the clocks leave that time out: no minute of the day shows it
          const minutes = Array.from({ length: 26 * 60 }, (_, m) =>
            wall(run + (m - 24 * 60) * MINUTE, timeZone),
          );
          expect(minutes.filter((at) => at.date === date && at.clock === clock)).toEqual([]);
        }
      },
    ),
    { numRuns: 60 },
  );
});

it('what comes next lies ahead, whatever the zone: nobody is due for ever', () => {
  const zones = ['Australia/Lord_Howe', 'Europe/Berlin', 'America/St_Johns'];
  const crons = ['*/10 * * * *', '0 * * * *', '*/10 * * * * *', '15 2 * * *', '45 1 * * *'];
  const start = Date.parse('2026-04-04T13:30:00Z'); // Lord Howe's clocks go back by half an hour
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.constantFrom(...crons),
      fc.integer({ min: 0, max: 4 * 3600 }),
      (timeZone, cron, seconds) => {
        const after = start + seconds * 1000;
        expect(nextRun(cron, timeZone, after)).toBeGreaterThan(after);
      },
    ),
    { numRuns: 200 },
  );
});

describe('the run that follows', () => {
  it('lies after now, however many were missed', () => {
    const cron = fc.constantFrom('*/10 * * * * *', '* * * * *', '0 * * * *', '0 3 * * 1', '30 2 * * *');
    fc.assert(
      fc.property(
        cron,
        fc.integer({ min: 0, max: 365 * 24 * 60 }),
        fc.integer({ min: 0, max: 60 * 24 * 60 }),
        (expression, at, missed) => {
          const dueAt = Date.parse('2026-01-01T00:00:00Z') + at * MINUTE;
          const now = dueAt + missed * MINUTE;
          expect(followingRun(expression, 'Europe/Berlin', dueAt, now)).toBeGreaterThan(now);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('what a schedule may say', () => {
  it.each(['0 3 * * *', '*/10 * * * * *', '0 0 29 2 *', '@daily'])('%s is a cron expression', (cron) => {
    expect(isCron(cron)).toBe(true);
  });

  it.each(['', 'nightly', '61 * * * *', '* * * *', '0 0 31 2 *'])('%s is none, or never comes', (cron) => {
    expect(isCron(cron)).toBe(false);
  });

  it('a zone is known by its name', () => {
    expect(isTimeZone('Europe/Berlin')).toBe(true);
    expect(isTimeZone('Europe/Atlantis')).toBe(false);
  });

  it('a time that never comes again is null', () => {
    expect(nextRun('0 0 31 2 *', 'UTC', Date.now())).toBeNull();
  });
});
