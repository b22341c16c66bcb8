import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { Flight } from '../../src/engine/client/flight.js';
import { InProcessEngine } from '../../src/engine/client/in-process-engine.js';
import { Turns } from '../../src/engine/client/turns.js';
import { InvalidRequestError, ModelLoadError, UnavailableError } from '../../src/engine/errors.js';
import type { CallAnswerer } from '../../src/engine/encoding/model-calls.js';
import { TextGenerator } from '../../src/engine/generation/text-generator.js';
import type { LoadedModel } from '../../src/engine/loading/load-model.js';
import type { LoadModel } from '../../src/engine/process/engine-host.js';
import type { GenerationEvent, LoadContext, ModelSpec } from '../../src/engine/types.js';
import { lettersEncoder } from './helpers/letters-encoder.js';
import { generationDefaults } from './helpers/sampling.js';
import { ScriptedModel, decodeLetters } from './helpers/scripted-model.js';
import { LIMITS } from './helpers/step-loops.js';

const SPEC: ModelSpec = { name: 'm', source: './m', task: 'text-generation', device: 'auto', dtype: 'auto' };
const HUB = { endpoint: 'https://hub.invalid', cacheDir: '/tmp/hub' };
const CONTEXT: LoadContext = { avoid: [], onProgress: () => undefined, onCondition: () => undefined };

function scripted() {
  const answer = vi.fn<CallAnswerer['answer']>();
  const dispose = vi.fn<() => Promise<void>>(() => Promise.resolve());
  const loaded: LoadedModel = {
    report: {
      instanceId: 'i-1',
      loadedAt: '2026-01-01T00:00:00.000Z',
      device: 'cpu',
      dtype: 'q8',
      pid: 7,
    },
    calls: { answer },
    dispose,
    generator: new TextGenerator({
      instanceId: 'i-1',
      model: new ScriptedModel(),
      limits: LIMITS,
      codec: { beginOfSequence: undefined, decode: decodeLetters },
      encoder: lettersEncoder(),
      defaults: generationDefaults(),
      contextLength: 100,
      endOfSequence: new Set(),
    }),
  };
  const loadModel = vi.fn<LoadModel>(() => Promise.resolve(loaded));
  return { loadModel, dispose, answer, engine: new InProcessEngine({ turns: new Turns(), loadModel }) };
}

function flightOf(text: string, signal?: AbortSignal): Flight {
  const request = { prompt: { kind: 'text', text }, maxTokens: 3 } as const;
  const plan = { request, priority: 'interactive', client: '', stream: true } as const;
  return new Flight(plan, signal, () => undefined);
}

async function read(flight: Flight): Promise<GenerationEvent['type'][]> {
  const types: GenerationEvent['type'][] = [];
  for await (const { type } of flight.stream) types.push(type);
  return types;
}

describe('an engine in this process', () => {
  it('loads, and generates what is asked', async () => {
    const { engine, loadModel } = scripted();
    await expect(engine.load(SPEC, HUB, CONTEXT)).resolves.toMatchObject({ instanceId: 'i-1' });
    expect(loadModel).toHaveBeenCalledOnce();
    const flight = flightOf('AB');
    engine.take(flight);
    expect(await read(flight)).toEqual(['start', 'token', 'token', 'token', 'finish']);
    expect(engine.finished).toBe(1);
    await expect(engine.stats()).resolves.toMatchObject({ rss: expect.any(Number) as number });
  });

  it('tells the errors of loads and calls by their codes', async () => {
    const { engine, loadModel, answer } = scripted();
    loadModel.mockRejectedValueOnce(new ModelLoadError('model_corrupt', 'It is damaged.'));
    await expect(engine.load(SPEC, HUB, CONTEXT)).rejects.toMatchObject({ code: 'model_corrupt' });

    await engine.load(SPEC, HUB, CONTEXT);
    answer.mockRejectedValueOnce(new InvalidRequestError('invalid_value', 'No.', { param: 'input' }));
    const call = { kind: 'tokenize', request: { text: 'a' } } as never;
    const flight = new Flight({ call, priority: 'interactive', client: '' }, undefined, () => undefined);
    engine.take(flight);
    await expect(flight.stream.next()).rejects.toMatchObject({ code: 'invalid_value', param: 'input' });
  });

  it('loads one model at a time', async () => {
    const turns = new Turns();
    let under = 0;
    const { loadModel } = scripted();
    const slowly: LoadModel = async (...args) => {
      expect(++under).toBe(1);
      await sleep(5);
      under--;
      if (args[0].name === 'bad') throw new ModelLoadError('model_corrupt', 'It is damaged.');
      return loadModel(...args);
    };
    const loads = ['a', 'bad', 'b'].map((name) =>
      new InProcessEngine({ turns, loadModel: slowly }).load({ ...SPEC, name }, HUB, CONTEXT),
    );
    const settled = await Promise.allSettled(loads);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('drops what is cancelled', async () => {
    const { engine } = scripted();
    await engine.load(SPEC, HUB, CONTEXT);
    const aborter = new AbortController();
    const flight = flightOf('AB', aborter.signal);
    engine.take(flight);
    aborter.abort();
    await expect(read(flight)).rejects.toMatchObject({ code: 'cancelled' });
    expect(engine.finished).toBe(0);
  });

  it('gives the model back when it is stopped, once, and takes nothing afterwards', async () => {
    const { engine, dispose } = scripted();
    await engine.load(SPEC, HUB, CONTEXT);
    const running = flightOf('AB');
    engine.take(running);
    engine.kill();
    await engine.stop();
    await expect(engine.exited).resolves.toBe('was stopped');
    expect(dispose).toHaveBeenCalledOnce();
    await expect(read(running)).rejects.toMatchObject({ code: 'engine_restarted' });
    const late = flightOf('AB');
    engine.take(late);
    await expect(late.stream.next()).rejects.toThrow(UnavailableError);
    await expect(engine.stats()).resolves.toBeUndefined();
  });

  it('gives a model back that is there only after it was stopped', async () => {
    const { engine, loadModel, dispose } = scripted();
    const gate = new AbortController();
    loadModel.mockImplementationOnce(async (...args) => {
      await new Promise((resolve) => gate.signal.addEventListener('abort', resolve));
      return loadModel(...args);
    });
    const load = engine.load(SPEC, HUB, CONTEXT);
    await vi.waitFor(() => expect(loadModel).toHaveBeenCalled());
    const stopped = engine.stop();
    await expect(load).rejects.toMatchObject({ code: 'engine_died' });
    await stopped;
    gate.abort();
    await vi.waitFor(() => expect(dispose).toHaveBeenCalledOnce());
  });
});
