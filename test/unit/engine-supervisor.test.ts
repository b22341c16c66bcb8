import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CallOptions } from '../../src/engine/client/engine.js';
import type { EngineSupervisor } from '../../src/engine/client/engine-supervisor.js';
import { collect } from '../../src/engine/collect.js';
import { EngineDeadError } from '../../src/engine/errors.js';
import type { GenerationRequest } from '../../src/engine/types.js';
import { SPEC, settle, supervise, type FakeEngine } from './helpers/fake-engine.js';

const MAX_QUEUE = 3;
const REQUEST: GenerationRequest = { prompt: { kind: 'text', text: 'a' } };

let engines: FakeEngine[];
let engine: (i: number) => FakeEngine;
let supervisor: EngineSupervisor;

beforeEach(() => {
  vi.useFakeTimers();
  ({ supervisor, engines, engine } = supervise({ spec: { ...SPEC, maxQueue: MAX_QUEUE } }));
});
afterEach(() => vi.useRealTimers());

async function ready(): Promise<void> {
  const load = supervisor.load();
  engine(0).loaded();
  await load;
}

describe('loading', () => {
  it('goes idle, loading, ready', async () => {
    expect(supervisor.state).toBe('idle');
    const load = supervisor.load();
    expect(supervisor.state).toBe('loading');
    engine(0).loaded('first');
    await load;
    expect(supervisor.state).toBe('ready');
    expect(supervisor.info?.instanceId).toBe('first');
  });

  it('is shared by 50 concurrent first calls', async () => {
    const loads = Promise.all(Array.from({ length: 50 }, () => supervisor.load()));
    engine(0).loaded();
    expect(new Set(await loads).size).toBe(1);
    await supervisor.load();
    expect(engines).toHaveLength(1);
    expect(engine(0).load).toHaveBeenCalledTimes(1);
    expect(supervisor.loads).toBe(1);
  });

  it('that fails is told with the name of the model, and can be tried again', async () => {
    const load = supervisor.load();
    engine(0).failLoad('source_not_found');
    await expect(load).rejects.toThrow("Model 'm': no such folder");
    expect(supervisor.state).toBe('failed');
    await expect(collect(supervisor.generate(REQUEST))).rejects.toMatchObject({ code: 'source_not_found' });
    const again = supervisor.load();
    engine(1).loaded();
    await again;
    expect(supervisor.state).toBe('ready');
  });

  it('in the background refuses requests until it is done', async () => {
    const load = supervisor.load('refuse');
    await expect(collect(supervisor.generate(REQUEST))).rejects.toMatchObject({ code: 'model_loading' });
    engine(0).loaded();
    await load;
  });
});

describe('a call', () => {
  const result = {
    kind: 'detokenize',
    text: 'a',
    instanceId: 'x',
    timing: { queueMs: 0, inferenceMs: 1 },
  } as const;
  const ask = (options?: CallOptions) => supervisor.call('detokenize', { tokens: [1] }, options);

  it('resolves with its one answer', async () => {
    await ready();
    const asked = ask();
    expect(supervisor.active).toBe(1);
    engine(0).flights[0]?.stream.push({ type: 'result', result });
    const { kind: _, ...answer } = result;
    expect(await asked).toEqual(answer);
    expect(supervisor.active).toBe(0);
  });

  it('fails as the engine does', async () => {
    await ready();
    const asked = ask();
    engine(0).flights[0]?.stream.fail(new EngineDeadError('gone'));
    await expect(asked).rejects.toMatchObject({ code: 'engine_restarted' });
    expect(supervisor.active).toBe(0);
  });

  it('that is aborted is counted no longer', async () => {
    await ready();
    const aborter = new AbortController();
    const asked = ask({ signal: aborter.signal });
    aborter.abort();
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
    expect(supervisor.active).toBe(0);
  });

  it('is refused while the model loads and when the queue is full', async () => {
    const load = supervisor.load('refuse');
    await expect(ask()).rejects.toMatchObject({ code: 'model_loading' });
    engine(0).loaded();
    await load;
    for (let i = 0; i < MAX_QUEUE; i++) ask().catch(() => undefined);
    await expect(ask()).rejects.toMatchObject({ code: 'queue_full' });
    expect(engine(0).flights).toHaveLength(MAX_QUEUE);
  });
});

describe('an engine that dies', () => {
  it('is restarted at once, with another instance; its requests fail', async () => {
    await ready();
    const generation = collect(supervisor.generate(REQUEST, { retry: false }));
    generation.catch(() => undefined);
    engine(0).die();
    await settle();
    await expect(generation).rejects.toMatchObject({ code: 'engine_restarted' });
    expect(supervisor.state).toBe('loading');
    await expect(collect(supervisor.generate(REQUEST))).rejects.toMatchObject({ code: 'engine_restarting' });
    engine(1).loaded('second');
    await settle();
    expect(supervisor).toMatchObject({ state: 'ready', loads: 2, active: 0, info: { instanceId: 'second' } });
  });

  it('hands what was not answered to the next one, and fails it if there is none', async () => {
    await ready();
    const first = collect(supervisor.generate(REQUEST));
    engine(0).die();
    await settle();
    engine(1).loaded();
    await settle();
    expect(engine(1).flights).toHaveLength(1);
    engine(1).finish();
    expect((await first).text).toBe('b');

    const second = collect(supervisor.generate(REQUEST));
    second.catch(() => undefined);
    engine(1).die();
    await settle();
    await supervisor.stop();
    await expect(second).rejects.toMatchObject({ code: 'server_draining' });
  });

  it('again and again without finishing anything is waited for longer, then given up', async () => {
    await ready();
    for (const [i, delay] of [0, 250, 1000, 4000, 15_000].entries()) {
      engine(i).die();
      await vi.advanceTimersByTimeAsync(Math.max(0, delay - 1));
      expect(engines).toHaveLength(delay === 0 ? i + 2 : i + 1);
      await vi.advanceTimersByTimeAsync(1);
      engine(i + 1).loaded();
      await settle();
      expect(supervisor.state).toBe('ready');
    }
    engine(5).die();
    await settle();
    expect(supervisor.state).toBe('failed');
  });

  it('and can not be loaded any more fails for that reason', async () => {
    await ready();
    engine(0).die();
    for (const [i, delay] of [0, 250, 1000, 4000, 15_000].entries()) {
      await vi.advanceTimersByTimeAsync(delay);
      expect(supervisor.state).toBe('loading');
      engine(i + 1).failLoad('weights_not_found');
      await settle();
    }
    expect(supervisor).toMatchObject({ state: 'failed', failure: { code: 'weights_not_found' } });
    expect(engines).toHaveLength(6);
    await vi.advanceTimersByTimeAsync(1000);
    const again = collect(supervisor.generate(REQUEST));
    engine(6).loaded();
    await settle();
    engine(6).finish();
    expect((await again).text).toBe('b');
  });

  it('after it finished a generation is restarted at once, however often', async () => {
    await ready();
    for (let i = 0; i < 30; i++) {
      engine(i).finished = 1;
      engine(i).die();
      await settle();
      engine(i + 1).loaded();
      await settle();
    }
    expect(supervisor).toMatchObject({ state: 'ready', loads: 31 });
  });

  it('while it loads again is tried again', async () => {
    await ready();
    engine(0).die();
    await settle();
    engine(1).failLoad('model_load_failed');
    await vi.advanceTimersByTimeAsync(250);
    engine(2).loaded();
    await settle();
    expect(supervisor).toMatchObject({ state: 'ready', loads: 2 });
  });

  it('after stop() stays dead', async () => {
    await ready();
    await supervisor.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(engines).toHaveLength(1);
    expect(supervisor.state).toBe('stopped');
  });
});

describe('the queue', () => {
  it('refuses one more than it holds, of each priority, until one has ended', async () => {
    await ready();
    const all = Array.from({ length: MAX_QUEUE }, () => collect(supervisor.generate(REQUEST)));
    const refused = { code: 'queue_full' };
    await expect(collect(supervisor.generate(REQUEST))).rejects.toMatchObject(refused);
    const background = collect(supervisor.generate(REQUEST, { priority: 'background' }));
    expect(supervisor.active).toBe(MAX_QUEUE + 1);

    engine(0).finish();
    await all[0];
    const next = collect(supervisor.generate(REQUEST));
    await expect(collect(supervisor.generate(REQUEST))).rejects.toMatchObject(refused);
    while (engine(0).flights.length > 0) engine(0).finish();
    await Promise.all([...all, background, next]);
    expect(supervisor.active).toBe(0);
  });
});

describe('the end', () => {
  it('drain() waits for what is in flight and refuses what is new', async () => {
    await ready();
    const generation = collect(supervisor.generate(REQUEST));
    let drained = false;
    const draining = supervisor.drain(1000).then(() => (drained = true));
    expect(supervisor.state).toBe('draining');
    await expect(collect(supervisor.generate(REQUEST))).rejects.toMatchObject({ code: 'server_draining' });
    await settle();
    expect(drained).toBe(false);
    engine(0).finish();
    await draining;
    expect((await generation).text).toBe('b');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('drain() ends what takes too long with an error', async () => {
    await ready();
    const generation = collect(supervisor.generate(REQUEST));
    generation.catch(() => undefined);
    const draining = supervisor.drain(1000);
    await vi.advanceTimersByTimeAsync(1000);
    await draining;
    await expect(generation).rejects.toMatchObject({ code: 'server_draining' });
  });

  it('stop() while the model loads ends the process and the load', async () => {
    const load = supervisor.load();
    load.catch(() => undefined);
    await supervisor.stop();
    expect(engine(0).killed).toBe(true);
    await expect(load).rejects.toMatchObject({ code: 'server_draining' });
    expect(supervisor.state).toBe('stopped');
  });

  it('drain() and stop() while a restart waits end the waiting', async () => {
    await ready();
    engine(0).die();
    await settle();
    engine(1).loaded();
    await settle();
    engine(1).die(); // now the restart waits
    await settle();
    await supervisor.drain(1000);
    await supervisor.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(engines).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});
