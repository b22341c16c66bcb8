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

const DRAIN_MS = 10_000;

let engines: FakeEngine[];
let engine: (i: number) => FakeEngine;
let supervisor: EngineSupervisor;

beforeEach(() => {
  vi.useFakeTimers();
  ({ supervisor, engines, engine } = supervise({ spec: { ...SPEC, maxQueue: 60 } }));
});
afterEach(() => vi.useRealTimers());

const ask = (options: Asking = {}, request = REQUEST) => askOf(supervisor, options, request);

async function ready(i = 0, instanceId = `load-${i}`): Promise<void> {
  if (i === 0) void supervisor.load();
  engine(i).loaded(instanceId);
  await settle();
}

describe('unload', () => {
  it('waits for what is in flight; what comes meanwhile waits, and loads the model again', async () => {
    await ready();
    const first = ask();
    const unloaded = supervisor.unload(DRAIN_MS);
    await settle();
    expect(supervisor).toMatchObject({ state: 'unloading', takesRequests: true });
    const second = ask();
    expect(engine(0).flights).toHaveLength(1);
    engine(0).finish();
    await unloaded;
    await first;
    expect(engine(0).ended).toBe(true);
    await ready(1);
    engine(1).finish();
    await second;
    expect(supervisor.info?.instanceId).toBe('load-1');
  });

  it('waits for an engine that was replaced, too', async () => {
    await ready();
    const slow = ask();
    const reloaded = supervisor.reload(DRAIN_MS);
    await settle();
    engine(1).loaded('load-1');
    await reloaded;
    const unloaded = supervisor.unload(DRAIN_MS);
    await settle();
    expect(supervisor.state).toBe('unloading');
    engine(0).finish();
    await unloaded;
    await slow;
    expect(engines.map(({ ended }) => ended)).toEqual([true, true]);
  });

  it('is over when the engine dies; what nothing was answered to is begun anew', async () => {
    await ready();
    const slow = ask();
    const unloaded = supervisor.unload(DRAIN_MS);
    await settle();
    engine(0).die();
    await unloaded;
    await ready(1);
    engine(1).finish();
    expect((await slow).text).toBe('b');
  });

  it('does not load again for who gave up meanwhile', async () => {
    await ready();
    const slow = ask();
    const unloaded = supervisor.unload(DRAIN_MS);
    await settle();
    const aborter = new AbortController();
    const waiting = ask({ signal: aborter.signal });
    aborter.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    engine(0).finish();
    await unloaded;
    await slow;
    expect(supervisor.state).toBe('idle');
    expect(engines).toHaveLength(1);
  });

  it('is waited for by who loads the model meanwhile', async () => {
    await ready();
    const slow = ask();
    const unloaded = supervisor.unload(DRAIN_MS);
    await settle();
    const loaded = supervisor.load();
    expect(engines).toHaveLength(1);
    engine(0).finish();
    await Promise.all([slow, unloaded]);
    await ready(1);
    expect((await loaded).instanceId).toBe('load-1');
  });

  it('ends what takes too long; it may be sent again', async () => {
    await ready();
    const slow = ask();
    const unloaded = supervisor.unload(DRAIN_MS);
    await vi.advanceTimersByTimeAsync(DRAIN_MS);
    await unloaded;
    await expect(slow).rejects.toMatchObject({ code: 'engine_restarting' });
    expect(supervisor).toMatchObject({ state: 'idle', active: 0 });
  });

  it('while it loads comes after that', async () => {
    const answer = ask();
    const unloaded = supervisor.unload(DRAIN_MS);
    engine(0).loaded();
    await settle();
    engine(0).finish();
    await answer;
    await unloaded;
    expect(supervisor.state).toBe('idle');
    await supervisor.unload(DRAIN_MS); // once more changes nothing
    expect(supervisor.state).toBe('idle');
  });

  it('of one that failed lets the next request load at once', async () => {
    const answer = ask();
    engine(0).failLoad('model_corrupt');
    await expect(answer).rejects.toMatchObject({ code: 'model_corrupt' });
    await supervisor.unload(DRAIN_MS);
    expect(supervisor).toMatchObject({ state: 'idle', failure: undefined });
    void ask();
    expect(engines).toHaveLength(2);
  });

  it('fails who waits when the server ends meanwhile', async () => {
    await ready();
    const slow = ask();
    const unloaded = supervisor.unload(DRAIN_MS);
    unloaded.catch(() => undefined);
    await settle();
    const waiting = ask();
    const drained = supervisor.drain(DRAIN_MS);
    await expect(waiting).rejects.toMatchObject({ code: 'server_draining' });
    await expect(unloaded).rejects.toMatchObject({ code: 'server_draining' });
    engine(0).finish();
    await slow;
    await drained;
    await supervisor.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('reload', () => {
  it('loads beside the present engine, which finishes what it has', async () => {
    await ready();
    const before = ask();
    const reloaded = Promise.all([supervisor.reload(DRAIN_MS), supervisor.reload(DRAIN_MS)]);
    await settle();
    expect(supervisor.state).toBe('ready');
    const meanwhile = ask();
    expect(engine(0).flights).toHaveLength(2);
    engine(1).loaded('load-1');
    expect((await reloaded).map(({ instanceId }) => instanceId)).toEqual(['load-1', 'load-1']);
    const after = ask();
    expect(engine(1).flights).toHaveLength(1);
    expect(engine(0).ended).toBe(false);
    finishAll(engine(0));
    await settle();
    expect(engine(0).ended).toBe(true);
    finishAll(engine(1));
    await Promise.all([before, meanwhile, after]);
    expect(supervisor).toMatchObject({ state: 'ready', loads: 2, info: { instanceId: 'load-1' } });
    expect(engines).toHaveLength(2);
  });

  it('that fails leaves the present engine as it is', async () => {
    await ready();
    const reloaded = supervisor.reload(DRAIN_MS);
    await settle();
    engine(1).failLoad('model_corrupt', 'Damaged.');
    await expect(reloaded).rejects.toMatchObject({ code: 'model_corrupt' });
    expect(supervisor).toMatchObject({ state: 'ready', info: { instanceId: 'load-0' } });
    void ask();
    expect(engine(0).flights).toHaveLength(1);
  });

  it.each([
    ['says so', (second: FakeEngine) => second.failLoad('insufficient_memory')],
    ['settles for a slower device', (second: FakeEngine) => second.loaded('second', 'cpu')],
    ['settles for a smaller KV cache', (second: FakeEngine) => second.loaded('second', 'webgpu', 32)],
  ])('where the second engine %s: ends the first one first', async (_, second) => {
    void supervisor.load();
    engine(0).loaded('load-0', 'webgpu');
    await settle();
    const before = ask();
    const reloaded = supervisor.reload(DRAIN_MS);
    await settle();
    second(engine(1));
    await settle();
    expect(engine(1).ended).toBe(true);
    expect(supervisor.state).toBe('unloading');
    const meanwhile = ask();
    engine(0).finish();
    await settle();
    expect(engine(0).ended).toBe(true);
    await before;
    expect(supervisor.state).toBe('loading');
    engine(2).loaded('load-2');
    expect((await reloaded).instanceId).toBe('load-2');
    engine(2).finish();
    await meanwhile;
    expect(engines).toHaveLength(3);
  });

  it('that comes out on a better device is as good', async () => {
    await ready();
    const reloaded = supervisor.reload(DRAIN_MS);
    await settle();
    engine(1).loaded('load-1', 'webgpu');
    expect((await reloaded).instanceId).toBe('load-1');
    expect(engines).toHaveLength(2);
  });

  it('makes do with one load if the present engine dies meanwhile', async () => {
    await ready();
    const asked = ask();
    const reloaded = supervisor.reload(DRAIN_MS);
    await settle();
    engine(0).die();
    await settle();
    expect(engines).toHaveLength(2);
    engine(1).loaded('load-1');
    await reloaded;
    engine(1).finish();
    await asked;
    expect(supervisor).toMatchObject({ state: 'ready', loads: 2 });
  });

  it('that fails, of an engine that died meanwhile, is followed by a restart', async () => {
    await ready();
    const reloaded = supervisor.reload(DRAIN_MS);
    await settle();
    engine(0).die();
    await settle();
    engine(1).failLoad('model_corrupt');
    await settle();
    engine(2).loaded('load-2');
    expect((await reloaded).instanceId).toBe('load-2');
  });

  it('whose engine dies the moment it is there is followed by a restart', async () => {
    await ready();
    const reloaded = supervisor.reload(DRAIN_MS);
    reloaded.catch(() => undefined);
    await settle();
    engine(1).die();
    engine(1).loaded('load-1');
    await settle();
    expect(engines).toHaveLength(3);
    engine(2).loaded('load-2');
    await settle();
    expect(supervisor).toMatchObject({ state: 'ready', info: { instanceId: 'load-2' } });
    await supervisor.unload(DRAIN_MS);
  });

  it.each(Array.from({ length: 12 }, (_, turns) => turns))(
    'for which there is no room loads once, if the first engine dies %i turns later',
    async (turns) => {
      await ready();
      const reloaded = supervisor.reload(DRAIN_MS);
      await settle();
      engine(1).failLoad('insufficient_memory');
      for (let i = 0; i < turns; i++) await Promise.resolve();
      engine(0).die();
      await settle();
      expect(engines.filter(({ ended }) => !ended)).toHaveLength(1);
      engine(2).loaded('load-2');
      expect((await reloaded).instanceId).toBe('load-2');
      expect(engines).toHaveLength(3);
      await supervisor.stop();
      expect(engines.filter(({ ended }) => !ended)).toHaveLength(0);
    },
  );

  it('tries devices again that were avoided', async () => {
    void supervisor.load();
    engine(0).dieLoading('webgpu');
    await settle();
    engine(1).loaded();
    await settle();
    const reloaded = supervisor.reload(DRAIN_MS);
    await settle();
    expect(engine(2).context?.avoid).toEqual([]);
    engine(2).loaded('load-2');
    await reloaded;
  });

  it('of a model that is not loaded loads it', async () => {
    const reloaded = supervisor.reload(DRAIN_MS);
    await settle();
    engine(0).loaded('load-0');
    expect((await reloaded).instanceId).toBe('load-0');
    expect(engines).toHaveLength(1);
  });

  it('under way ends with the server', async () => {
    await ready();
    const reloaded = supervisor.reload(DRAIN_MS);
    reloaded.catch(() => undefined);
    await settle();
    await supervisor.drain(0);
    await supervisor.stop();
    await expect(reloaded).rejects.toMatchObject({ code: 'server_draining' });
    expect(engine(1).killed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
