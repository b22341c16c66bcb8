import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineSupervisor, type Engine } from '../../src/engine/client/engine-supervisor.js';
import type { CallOptions } from '../../src/engine/client/engine-process.js';
import { Flight } from '../../src/engine/client/flight.js';
import { GenerationStream } from '../../src/engine/client/generation-stream.js';
import type { EngineCall } from '../../src/engine/encoder-types.js';
import { EngineDeadError, ModelLoadError } from '../../src/engine/errors.js';
import { collect } from '../../src/engine/collect.js';
import type { CallAnswer } from '../../src/engine/protocol.js';
import type { GenerationRequest, LoadedModelInfo, ModelSpec } from '../../src/engine/types.js';

const SPEC: ModelSpec = {
  name: 'm',
  source: './m',
  task: 'text-generation',
  device: 'auto',
  dtype: 'auto',
  maxQueue: 3,
};
const MAX_QUEUE = 3;
const REQUEST: GenerationRequest = { prompt: { kind: 'text', text: 'a' } };

/** `Promise.withResolvers` comes with Node 22. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** A process whose load, generations and end the test decides. */
class FakeEngine implements Engine {
  finished = 0;
  killed = false;
  readonly loading = withResolvers<LoadedModelInfo>();
  readonly end = withResolvers<string>();
  readonly exited = this.end.promise;
  readonly streams: GenerationStream[] = [];
  readonly load = vi.fn<() => Promise<LoadedModelInfo>>(() => this.loading.promise);

  loaded(instanceId = 'x'): void {
    this.loading.resolve({
      instanceId,
      loadedAt: '',
      loadMs: 1,
      device: 'cpu',
      dtype: 'q8',
      contextLength: 8,
      kvCache: 'inplace',
      kvCacheTokens: 64,
      batchInvariant: true,
      pid: 1,
    });
  }

  generate(_request: GenerationRequest, _options: object, onSettled: () => void): GenerationStream {
    const stream = new GenerationStream({ onCancel: () => undefined, onSettled });
    this.streams.push(stream);
    return stream;
  }

  readonly calls: GenerationStream<CallAnswer>[] = [];

  call(_call: EngineCall, { signal }: CallOptions, onSettled: () => void): GenerationStream<CallAnswer> {
    const stream = new GenerationStream<CallAnswer>({ signal, onCancel: () => undefined, onSettled });
    this.calls.push(stream);
    return stream;
  }

  readonly taken: Flight[] = [];
  retriable: Flight[] = [];

  take(flight: Flight): void {
    this.taken.push(flight);
  }

  takeRetriable(): Flight[] {
    return this.retriable.splice(0);
  }

  failAll(error: EngineDeadError): void {
    for (const stream of this.streams.splice(0)) stream.fail(error);
  }

  die(how = 'was ended by SIGKILL'): void {
    this.failAll(new EngineDeadError(how));
    this.end.resolve(how);
  }

  async stop(): Promise<void> {
    this.die('ended with code 0');
  }

  kill(): void {
    this.killed = true;
    this.loading.reject(new ModelLoadError('model_load_failed', 'killed'));
    this.die();
  }
}

let engines: FakeEngine[];
let supervisor: EngineSupervisor;
const engine = (i: number): FakeEngine => {
  const found = engines[i];
  if (!found) throw new Error(`there is no engine ${i}`);
  return found;
};
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  engines = [];
  supervisor = new EngineSupervisor({
    spec: SPEC,
    hub: { endpoint: 'http://localhost', cacheDir: '/tmp' },
    log: { info: () => undefined, warn: () => undefined, debug: () => undefined },
    createProcess: () => {
      const made = new FakeEngine();
      engines.push(made);
      return made;
    },
  });
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
    engine(0).loading.reject(new ModelLoadError('model_load_failed', 'no such folder'));
    await expect(load).rejects.toThrow("Model 'm': no such folder");
    expect(supervisor.state).toBe('failed');
    await expect(collect(supervisor.generate(REQUEST))).rejects.toMatchObject({ code: 'engine_failed' });
    const again = supervisor.load();
    engine(1).loaded();
    await again;
    expect(supervisor.state).toBe('ready');
  });

  it('refuses requests until it is done', async () => {
    const load = supervisor.load();
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
    engine(0).calls[0]?.push({ type: 'result', result });
    const { kind: _, ...answer } = result;
    expect(await asked).toEqual(answer);
    expect(supervisor.active).toBe(0);
  });

  it('fails as the engine does', async () => {
    await ready();
    const asked = ask();
    engine(0).calls[0]?.fail(new EngineDeadError('gone'));
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
    await expect(ask()).rejects.toMatchObject({ code: 'model_loading' });
    await ready();
    for (let i = 0; i < MAX_QUEUE; i++) ask().catch(() => undefined);
    await expect(ask()).rejects.toMatchObject({ code: 'queue_full' });
    expect(engine(0).calls).toHaveLength(MAX_QUEUE);
  });
});

describe('an engine that dies', () => {
  it('is restarted at once, with another instance; its requests fail', async () => {
    await ready();
    const generation = collect(supervisor.generate(REQUEST));
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
    const flight = () =>
      new Flight(
        { request: REQUEST, priority: 'interactive', client: '', stream: true },
        undefined,
        () => undefined,
      );
    const first = flight();
    engine(0).retriable = [first];
    engine(0).die();
    await settle();
    engine(1).loaded();
    await settle();
    expect(engine(1).taken).toEqual([first]);

    const second = flight();
    const failing = collect(second.stream);
    failing.catch(() => undefined);
    engine(1).retriable = [second];
    engine(1).die();
    await settle();
    await supervisor.stop();
    await expect(failing).rejects.toMatchObject({ code: 'server_draining' });
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
    engine(1).loading.reject(new ModelLoadError('model_load_failed', 'died'));
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
  const push = (stream: GenerationStream | undefined) =>
    stream?.push({
      type: 'finish',
      finishReason: 'stop',
      text: '',
      usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
    });

  it('refuses one more than it holds, of each priority, until one has ended', async () => {
    await ready();
    const all = Array.from({ length: MAX_QUEUE }, () => collect(supervisor.generate(REQUEST)));
    const refused = { code: 'queue_full' };
    await expect(collect(supervisor.generate(REQUEST))).rejects.toMatchObject(refused);
    const background = collect(supervisor.generate(REQUEST, { priority: 'background' }));
    expect(supervisor.active).toBe(MAX_QUEUE + 1);

    push(engine(0).streams[0]);
    await all[0];
    const next = collect(supervisor.generate(REQUEST));
    await expect(collect(supervisor.generate(REQUEST))).rejects.toMatchObject(refused);
    for (const stream of engine(0).streams) push(stream);
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
    engine(0).streams[0]?.push({
      type: 'finish',
      finishReason: 'stop',
      text: 'b',
      usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
    });
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
