import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Watchdog } from '../../src/engine/client/watchdog.js';

let asked: number;
let silences: number;
let watchdog: Watchdog;
beforeEach(() => {
  vi.useFakeTimers();
  asked = silences = 0;
  watchdog = new Watchdog(
    1000,
    () => asked++,
    () => silences++,
  );
});
afterEach(() => vi.useRealTimers());

it('asks while there is work, and not before or after', () => {
  vi.advanceTimersByTime(10_000);
  expect(asked).toBe(0);
  watchdog.start();
  vi.advanceTimersByTime(750);
  expect(asked).toBe(3);
  watchdog.stop();
  vi.advanceTimersByTime(10_000);
  expect({ asked, silences, timers: vi.getTimerCount() }).toEqual({ asked: 3, silences: 0, timers: 0 });
});

it('says once that nothing was heard for the limit', () => {
  watchdog.start();
  vi.advanceTimersByTime(999);
  expect(silences).toBe(0);
  vi.advanceTimersByTime(10_000);
  expect({ silences, timers: vi.getTimerCount() }).toEqual({ silences: 1, timers: 0 });
});

it('is content with one answer per limit, for ever', () => {
  watchdog.start();
  for (let i = 0; i < 100; i++) {
    vi.advanceTimersByTime(900);
    watchdog.heard();
  }
  expect(silences).toBe(0);
});

it('does not count the time in which this process stood still', () => {
  watchdog.start();
  vi.advanceTimersByTime(250);
  vi.setSystemTime(Date.now() + 3_600_000); // the laptop slept: clocks went on, timers did not
  const now = performance.now() + 3_600_000;
  vi.spyOn(performance, 'now').mockReturnValue(now);
  vi.advanceTimersToNextTimer();
  vi.restoreAllMocks();
  expect(silences).toBe(0);
});
