import type { Generation } from '../../src/engine/collect.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EngineSupervisor } from '../../src/engine/client/engine-supervisor.js';
import {
  REQUEST,
  SPEC,
  ask as askOf,
  finishAll,
  settle,
  supervise,
  type Asking,
  type FakeEngine,
} from './helpers/fake-engine.js';

const KEEP_MS = 30_000;
const DRAIN_MS = 10_000;

let engines: FakeEngine[];
let engine: (i: number) => FakeEngine;
let supervisor: EngineSupervisor;
let log: string[];

beforeEach(() => {
  vi.useFakeTimers();
  ({ supervisor, engines, engine, log } = supervise({ spec: { ...SPEC, maxQueue: 60 } }));
});
afterEach(() => vi.useRealTimers());

const ask = (options: Asking = {}, request = REQUEST) => askOf(supervisor, options, request);

async function ready(i = 0, instanceId = `load-${i}`): Promise<void> {
  if (i === 0) void supervisor.load();
  engine(i).loaded(instanceId);
  await settle();
}

describe('a model that nobody loaded', () => {
  it('is loaded once by 50 first requests, which wait', async () => {
    expect(supervisor).toMatchObject({ state: 'idle', takesRequests: true });
    const answers: Promise<Generation>[] = Array.from({ length: 50 }, () => ask());
    expect(supervisor).toMatchObject({ state: 'loading', takesRequests: true, active: 50 });
    await ready(0);
    expect(engine(0).flights).toHaveLength(50);
    finishAll(engine(0));
    expect(await Promise.all(answers)).toHaveLength(50);
    expect(engines).toHaveLength(1);
    expect(supervisor).toMatchObject({ loads: 1, active: 0 });
  });

  it('counts those who wait: one more than the queue holds is refused', async () => {
    ({ supervisor, engine } = supervise({ spec: { ...SPEC, maxQueue: 2 } }));
    void ask();
    void ask();
    await expect(ask()).rejects.toMatchObject({ code: 'queue_full' });
    await ready(0);
    expect(engine(0).flights).toHaveLength(2);
  });

  it('does not run what was cancelled or late while it loaded', async () => {
    const aborter = new AbortController();
    const cancelled = ask({ signal: aborter.signal });
    const late = ask({}, { ...REQUEST, timeoutMs: 500 });
    const patient = ask();
    aborter.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    await vi.advanceTimersByTimeAsync(500);
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(supervisor.active).toBe(1);
    await ready(0);
    expect(engine(0).flights).toHaveLength(1);
    engine(0).finish();
    await patient;
  });

  it('is not loaded by a request that is cancelled before it is made', async () => {
    await expect(ask({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    expect(supervisor).toMatchObject({ state: 'idle', active: 0 });
    expect(engines).toHaveLength(0);
  });

  it('that fails to load fails all who wait, and is tried again by requests, each time later', async () => {
    const first = [ask(), ask()];
    engine(0).failLoad('insufficient_memory', 'Too big.');
    await settle();
    for (const answer of first)
      await expect(answer).rejects.toMatchObject({
        code: 'insufficient_memory',
        message: "Model 'm': Too big.",
      });
    expect(supervisor).toMatchObject({ state: 'failed', takesRequests: false, active: 0 });
    expect(supervisor.failure).toMatchObject({ code: 'insufficient_memory' });

    await expect(ask()).rejects.toMatchObject({
      code: 'insufficient_memory',
      message: "Model 'm': Too big. The next try is made by a request in 1 s or later.",
    });
    expect(engines).toHaveLength(1);
    for (const [i, wait] of [1000, 2000, 4000, 8000].entries()) {
      await vi.advanceTimersByTimeAsync(wait - 1);
      await expect(ask()).rejects.toMatchObject({ code: 'insufficient_memory' });
      await vi.advanceTimersByTimeAsync(1);
      void ask();
      expect(engines).toHaveLength(i + 2);
      expect(supervisor.takesRequests).toBe(false);
      engine(i + 1).failLoad('insufficient_memory');
      await settle();
    }
    // an operator need not wait
    const load = supervisor.load();
    engine(5).loaded();
    await load;
    expect(supervisor).toMatchObject({ state: 'ready', takesRequests: true, failure: undefined });
  });

  it('serves those who wait when the server is told to end', async () => {
    const answer = ask();
    const drained = supervisor.drain(DRAIN_MS);
    await expect(ask()).rejects.toMatchObject({ code: 'server_draining' });
    engine(0).loaded();
    await settle();
    engine(0).finish();
    await answer;
    await drained;
    await supervisor.stop();
    expect(supervisor.state).toBe('stopped');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('progress and condition', () => {
  it('of a load can be seen while it lasts', async () => {
    void supervisor.load();
    const progress = { phase: 'downloading', file: 'a', bytes: 1, totalBytes: 2 } as const;
    engine(0).context?.onProgress(progress);
    expect(supervisor.progress).toEqual(progress);
    await ready(0);
    expect(supervisor.progress).toBeUndefined();
  });

  it('of the model is what its engine says, before and after it is loaded', async () => {
    void supervisor.load();
    engine(0).context?.onCondition('It is slow.');
    await ready(0);
    expect(supervisor.degraded).toBe('It is slow.');
    engine(0).context?.onCondition(undefined);
    expect(supervisor.degraded).toBeUndefined();
    engine(0).context?.onCondition('It is tired.');
    expect(supervisor.degraded).toBe('It is tired.');
    expect(log).toContain("'m' is degraded: It is tired.");
    engine(0).die();
    await settle();
    expect(supervisor.degraded).toBeUndefined();
  });
});

it('why a model runs where it does is logged when it is news, not with each load', async () => {
  const reasons = ['auto took webgpu.', 'auto took webgpu.', 'auto took cpu; webgpu: no adapter.'];
  for (const [i, deviceReason] of reasons.entries()) {
    void supervisor.load();
    engine(i).loaded(`load-${i}`, 'cpu', 64, { deviceReason, warnings: ['Slow.'] });
    await settle();
    await supervisor.unload(0);
  }
  const told = log.filter((line) => line.includes('auto took') || line.includes('Slow.'));
  expect(told).toEqual(["'m': auto took webgpu.", "'m': Slow.", "'m': auto took cpu; webgpu: no adapter."]);
});

describe('a device that kills the engine', () => {
  it('is avoided by the next one, if the device is chosen by us', async () => {
    const answer = ask();
    engine(0).dieLoading('webgpu');
    await settle();
    expect(engines).toHaveLength(2);
    expect(engine(0).context?.avoid).toEqual([]);
    const reason = 'the engine process was ended by SIGSEGV while it loaded the model there';
    expect(engine(1).context?.avoid).toEqual([{ device: 'webgpu', reason }]);
    expect(log).toContain(`'m' avoids the device 'webgpu' from now on: ${reason}`);
    engine(1).loaded();
    await settle();
    engine(1).finish();
    await answer;
    expect(supervisor.loads).toBe(1);
  });

  it.each([
    ['it is configured', { ...SPEC, device: 'webgpu' }, 'webgpu'],
    ['it is the CPU', SPEC, 'cpu'],
  ] as const)('is not if %s: that is an error', async (_, spec, device) => {
    ({ supervisor, engines, engine } = supervise({ spec }));
    const answer = ask();
    engine(0).dieLoading(device);
    await expect(answer).rejects.toMatchObject({ code: 'engine_died' });
    expect(engines).toHaveLength(1);
  });

  it('is not if the engine did not die of it, but later, of something else', async () => {
    const answer = ask();
    engine(0).context?.onProgress({ phase: 'loading', device: 'webgpu', dtype: 'fp16' });
    engine(0).context?.onProgress({ phase: 'downloading', file: 'a', bytes: 1, totalBytes: 2 });
    engine(0).failLoad('engine_died', 'The engine process was ended by SIGKILL.');
    engine(0).die();
    await expect(answer).rejects.toMatchObject({ code: 'engine_died' });
    expect(engines).toHaveLength(1);
  });

  it('though it is to be avoided ends the tries', async () => {
    const answer = ask();
    engine(0).dieLoading('webgpu');
    await settle();
    engine(1).dieLoading('webgpu');
    await expect(answer).rejects.toMatchObject({ code: 'engine_died' });
    expect(engines).toHaveLength(2);
  });

  it('three times in a row after the load is avoided, too', async () => {
    void supervisor.load();
    for (let i = 0; i < 3; i++) {
      engine(i).loaded(`${i}`, 'cuda');
      await settle();
      engine(i).die();
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(engine(2).context?.avoid).toEqual([]);
    expect(engine(3).context?.avoid).toMatchObject([{ device: 'cuda' }]);
    engine(3).loaded('3', 'cpu');
    await settle();
    expect(supervisor).toMatchObject({ state: 'ready', loads: 4 });
  });
});

describe('keep-alive', () => {
  beforeEach(() => {
    ({ supervisor, engines, engine, log } = supervise({ keepAliveMs: KEEP_MS }));
  });

  it('unloads what was not used for so long, and the next request loads it again', async () => {
    await ready();
    await vi.advanceTimersByTimeAsync(KEEP_MS - 1);
    expect(supervisor.state).toBe('ready');
    await vi.advanceTimersByTimeAsync(1);
    expect(supervisor).toMatchObject({ state: 'idle', takesRequests: true, info: undefined });
    expect(engine(0).ended).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
    const answer = ask();
    engine(1).loaded();
    await settle();
    engine(1).finish();
    await answer;
    expect(supervisor).toMatchObject({ state: 'ready', loads: 2 });
  });

  it.each([undefined, 'background'] as const)('counts from the end of a request (%s)', async (priority) => {
    await ready();
    await vi.advanceTimersByTimeAsync(KEEP_MS - 10);
    const answer = ask(priority ? { priority } : {});
    await vi.advanceTimersByTimeAsync(3 * KEEP_MS);
    expect(supervisor.state).toBe('ready');
    engine(0).finish();
    await answer;
    await vi.advanceTimersByTimeAsync(KEEP_MS - 1);
    expect(supervisor.state).toBe('ready');
    await vi.advanceTimersByTimeAsync(KEEP_MS);
    expect(supervisor.state).toBe('idle');
  });

  it('lets an engine that was replaced finish', async () => {
    await ready();
    const slow = ask();
    const reloaded = supervisor.reload(0);
    await settle();
    engine(1).loaded('load-1');
    await reloaded;
    await vi.advanceTimersByTimeAsync(3 * KEEP_MS);
    engine(0).finish();
    await slow;
    expect(supervisor.state).toBe('ready');
    await vi.advanceTimersByTimeAsync(2 * KEEP_MS);
    expect(supervisor.state).toBe('idle');
  });

  it('leaves no timer behind', async () => {
    await ready();
    await supervisor.drain(0);
    await supervisor.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('usage', () => {
  it('tells what the model cost and did', async () => {
    ({ supervisor, engine } = supervise({ keepAliveMs: KEEP_MS }));
    vi.setSystemTime('2026-01-01T00:00:00.000Z');
    expect(supervisor.usage()).toMatchObject({
      state: 'idle',
      loads: 0,
      loadMs: 0,
      requests: 0,
      residentSeconds: 0,
    });
    const answer = ask();
    await ready(0);
    engine(0).finish();
    await answer;
    const failing = ask();
    engine(0).flights[0]?.stream.fail(new Error('no') as never);
    await expect(failing).rejects.toThrow('no');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(supervisor.usage()).toMatchObject({
      state: 'ready',
      loads: 1,
      loadMs: 100,
      lastLoadMs: 100,
      requests: 1,
      residentSince: '2026-01-01T00:00:00.000Z',
      residentSeconds: 10,
      lastRequestAt: '2026-01-01T00:00:00.000Z',
      engineRss: 1000,
    });
    await settle();
    engine(0).stats.mockResolvedValue({ rss: 2000, eventLoopDelayP99Ms: 5 });
    supervisor.usage(); // asks
    await settle();
    expect(supervisor.usage()).toMatchObject({ engineRss: 2000, engineEventLoopDelayP99Ms: 5 });
    await vi.advanceTimersByTimeAsync(2 * KEEP_MS);
    const { residentSeconds, ...rest } = supervisor.usage();
    expect(residentSeconds).toBeCloseTo(30, 1);
    expect(rest).toMatchObject({
      state: 'idle',
      loads: 1,
      loadMs: 100,
      lastLoadMs: 100,
      requests: 1,
      residentSince: undefined,
      lastRequestAt: '2026-01-01T00:00:00.000Z',
      engineRss: undefined,
    });
  });
});
