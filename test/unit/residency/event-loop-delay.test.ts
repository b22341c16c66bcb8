import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { EventLoopDelay } from '../../../src/metrics/event-loop-delay.js';

const delay = new EventLoopDelay();
afterEach(() => delay.stop());

it('sees a stall, in seconds, and begins anew with each reading', async () => {
  delay.start();
  await sleep(60);
  expect(delay.read().max).toBeGreaterThanOrEqual(0);
  await sleep(60);
  const end = performance.now() + 400;
  while (performance.now() < end);
  await sleep(60);
  const { p50, p99, max } = delay.read();
  // a look is due every 20 ms: the first one in the stall is as late as it has left
  expect(max).toBeGreaterThan(0.35);
  expect(p99).toBeLessThanOrEqual(max);
  expect(p50).toBeLessThanOrEqual(p99);
  // nothing was looked at since
  expect(delay.read()).toEqual({ p50: 0, p99: 0, max: 0 });
});
