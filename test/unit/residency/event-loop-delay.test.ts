import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { EventLoopDelay } from '../../../src/metrics/event-loop-delay.js';

const MS = 1_000_000;
const NOTHING = { p50: 0, p99: 0, max: 0 };

/** As Node watches the loop: it looks every 20 ms. */
function looks(...intervals: readonly number[]) {
  const histogram = Object.assign(createHistogram(), { enable: () => true, disable: () => true });
  for (const ms of intervals) histogram.record(ms * MS);
  return histogram;
}

it('tells by how much looks were late, in seconds', () => {
  const { p50, p99, max } = new EventLoopDelay(looks(...Array.from({ length: 99 }, () => 25), 420)).read();
  // histograms keep three digits
  expect(p50).toBeCloseTo(0.005, 3);
  expect(p99).toBeCloseTo(0.005, 3);
  expect(max).toBeCloseTo(0.4, 3);
});

it('begins anew with each reading, and a look that came early was not late', () => {
  const delay = new EventLoopDelay(looks(19));
  expect(delay.read()).toEqual(NOTHING);
  expect(delay.read()).toEqual(NOTHING);
});

it('looks at the real loop from start to stop', async () => {
  const delay = new EventLoopDelay();
  await sleep(50);
  expect(delay.read()).toEqual(NOTHING);
  delay.start();
  const isSeen = (): boolean => {
    const end = performance.now() + 60;
    while (performance.now() < end);
    return delay.read().max > 0;
  };
  await expect.poll(isSeen).toBe(true);
  delay.stop();
  await sleep(50);
  delay.read();
  await sleep(50);
  expect(delay.read()).toEqual(NOTHING);
});
