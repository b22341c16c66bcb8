import { describe, expect, it, vi } from 'vitest';
import { ModelLoadError } from '../../src/engine/errors.js';
import { TextGenerator } from '../../src/engine/generation/text-generator.js';
import { EngineHost, type LoadModel } from '../../src/engine/process/engine-host.js';
import type { FromEngine, LoadReport, ToEngine } from '../../src/engine/protocol.js';
import type { GenerationRequest } from '../../src/engine/types.js';
import type { CallAnswerer } from '../../src/engine/encoding/model-calls.js';
import { settled } from './helpers/recorder.js';
import { lettersEncoder } from './helpers/letters-encoder.js';
import { generationDefaults } from './helpers/sampling.js';
import { ScriptedModel, decodeLetters } from './helpers/scripted-model.js';
import { LIMITS } from './helpers/step-loops.js';

const REPORT: LoadReport = {
  instanceId: 'i-1',
  loadedAt: '2026-01-01T00:00:00.000Z',
  device: 'cpu',
  dtype: 'q8',
  contextLength: 100,
  kvCache: 'inplace',
  kvCacheTokens: 1000,
  batchInvariant: true,
  pid: 7,
};

const LOAD: Extract<ToEngine, { type: 'load' }> = {
  type: 'load',
  spec: { name: 'm', source: './m', task: 'text-generation', device: 'auto', dtype: 'auto' },
  hub: { endpoint: 'https://hub.invalid', cacheDir: '/tmp/hub' },
  avoid: [],
};

const REQUEST: GenerationRequest = { prompt: { kind: 'text', text: 'AB' }, maxTokens: 2 };

/** Answers once the test says so. */
const answer = vi.fn<CallAnswerer['answer']>();

const loadScripted: LoadModel = () =>
  Promise.resolve({
    report: REPORT,
    calls: { answer },
    dispose: () => Promise.resolve(),
    generator: new TextGenerator({
      instanceId: REPORT.instanceId,
      model: new ScriptedModel(),
      limits: LIMITS,
      codec: { beginOfSequence: undefined, decode: decodeLetters },
      encoder: lettersEncoder(),
      defaults: generationDefaults(),
      contextLength: 100,
      endOfSequence: new Set(),
    }),
  });

function hostOf(loadModel: LoadModel = loadScripted) {
  const sent: FromEngine[] = [];
  const exit = vi.fn<() => void>();
  const host = new EngineHost(loadModel, (message) => void sent.push(message), exit);
  return { host, sent, exit };
}

/** The order to generate. */
function generate(id: number, options: Partial<Extract<ToEngine, { type: 'generate' }>> = {}): ToEngine {
  return {
    type: 'generate',
    id,
    request: REQUEST,
    priority: 'interactive',
    client: '',
    stream: true,
    ...options,
  };
}

/** What was sent about each generation, shortened to the kinds of messages. */
function kinds(sent: readonly FromEngine[], id: number): string[] {
  const about = sent.flatMap((message) => ('id' in message && message.id === id ? [message] : []));
  return about.map((message) => (message.type === 'event' ? message.event.type : message.type));
}

/** More than any of these generations take: one for each pass. */
async function manyTurns(): Promise<void> {
  for (let i = 0; i < 50; i++) await settled();
}

describe('EngineHost', () => {
  it('loads what it is told to load, and reports it', async () => {
    const loadModel = vi.fn<LoadModel>(loadScripted);
    const { host, sent } = hostOf(loadModel);
    await host.receive(LOAD);
    expect(loadModel.mock.calls).toEqual([[LOAD.spec, LOAD.hub, expect.objectContaining({ avoid: [] })]]);
    expect(sent).toEqual([{ type: 'loaded', report: REPORT }]);
  });

  it('tells how a load goes, and what ails the model later', async () => {
    const { host, sent } = hostOf((spec, hub, context) => {
      context.onProgress({ phase: 'warming-up' });
      context.onCondition('It is slow.');
      return loadScripted(spec, hub, context);
    });
    await host.receive(LOAD);
    expect(sent.slice(0, 2)).toEqual([
      { type: 'progress', progress: { phase: 'warming-up' } },
      { type: 'condition', degraded: 'It is slow.' },
    ]);
  });

  it('tells what its process takes up, loaded or not', async () => {
    const { host, sent } = hostOf();
    await host.receive({ type: 'stats' });
    await new Promise((resolve) => setTimeout(resolve, 60)); // the loop is looked at every 20 ms
    await host.receive({ type: 'stats' });
    const rss = expect.any(Number) as number;
    expect(sent).toEqual([
      { type: 'stats', stats: { rss } },
      { type: 'stats', stats: { rss, eventLoopDelayP99Ms: expect.any(Number) as number } },
    ]);
  });

  it('reports a load that failed, and goes on', async () => {
    const { host, sent } = hostOf(() =>
      Promise.reject(new ModelLoadError('model_load_failed', 'There is no folder.')),
    );
    await host.receive(LOAD);
    const error = { code: 'model_load_failed', message: 'There is no folder.', param: undefined };
    expect(sent).toEqual([{ type: 'load_failed', error }]);
  });

  it('refuses to generate before a model is loaded', async () => {
    const { host, sent } = hostOf();
    await host.receive(generate(5));
    expect(sent).toMatchObject([{ type: 'failed', id: 5, error: { code: 'model_loading' } }]);
  });

  it('sends the events of each generation under its id', async () => {
    const { host, sent } = hostOf();
    await host.receive(LOAD);
    await host.receive(generate(1));
    await host.receive(generate(2, { priority: 'background' }));
    await manyTurns();
    expect(kinds(sent, 1)).toEqual(['start', 'token', 'token', 'finish']);
    expect(kinds(sent, 2)).toEqual(['start', 'token', 'token', 'finish']);
  });

  it('sends the whole text with the end, if it is not streamed', async () => {
    const { host, sent } = hostOf();
    await host.receive(LOAD);
    for (const [id, stream] of [
      [1, true],
      [2, false],
    ] as const) {
      await host.receive(generate(id, { stream }));
    }
    await manyTurns();
    const text = (id: number) =>
      sent
        .map((message) => (message.type === 'event' && message.id === id ? message.event : undefined))
        .map((event) => (event === undefined || event.type === 'start' ? '' : event.text))
        .join('');
    expect(kinds(sent, 2)).toEqual(['start', 'finish']);
    expect(text(1)).not.toBe('');
    expect(text(2)).toBe(text(1));
  });

  it('reports a generation that failed under its id', async () => {
    const { host, sent } = hostOf();
    await host.receive(LOAD);
    const request = { ...REQUEST, maxTokens: 1000 };
    await host.receive(generate(3, { request }));
    await manyTurns();
    expect(sent.at(-1)).toMatchObject({ type: 'failed', id: 3, error: { code: 'context_length_exceeded' } });
  });

  it('sends no more events of a generation that is cancelled', async () => {
    const { host, sent } = hostOf();
    await host.receive(LOAD);
    const generating = host.receive(generate(1));
    await host.receive({ type: 'cancel', id: 1 });
    await generating;
    await manyTurns();
    expect(kinds(sent, 1)).not.toContain('finish');
  });

  describe('a call', () => {
    const call: ToEngine = {
      type: 'call',
      id: 5,
      call: { kind: 'tokenize', request: { text: 'A' } },
      priority: 'background',
      client: 'c',
    };
    const result = {
      kind: 'tokenize',
      tokens: [],
      instanceId: 'i-1',
      timing: { queueMs: 0, inferenceMs: 1 },
    } as const;

    it('is answered under its id, once', async () => {
      const { host, sent } = hostOf();
      await host.receive(LOAD);
      answer.mockResolvedValueOnce(result);
      await host.receive(call);
      expect(sent.slice(1)).toEqual([{ type: 'result', id: 5, result }]);
      expect(answer.mock.lastCall?.[1]).toMatchObject({ id: 5, priority: 'background', client: 'c' });
    });

    it('that fails says why', async () => {
      const { host, sent } = hostOf();
      await host.receive(LOAD);
      answer.mockRejectedValueOnce(new Error('broken'));
      await host.receive(call);
      expect(sent.at(-1)).toMatchObject({ type: 'failed', id: 5, error: { message: 'broken' } });
    });

    it('that is cancelled is aborted, and nothing is sent of it', async () => {
      const { host, sent } = hostOf();
      await host.receive(LOAD);
      answer.mockImplementationOnce(
        (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(result))),
      );
      const answered = host.receive(call);
      await host.receive({ type: 'cancel', id: 5 });
      await answered;
      expect(kinds(sent, 5)).toEqual([]);
    });

    it('is refused before a model is loaded', async () => {
      const { host, sent } = hostOf();
      await host.receive(call);
      expect(sent).toMatchObject([{ type: 'failed', id: 5, error: { code: 'model_loading' } }]);
    });
  });

  it('takes a cancel before a model is loaded without complaint', async () => {
    const { host, sent } = hostOf();
    await host.receive({ type: 'cancel', id: 1 });
    expect(sent).toEqual([]);
  });

  it('exits when it is told to', async () => {
    const { host, exit } = hostOf();
    await host.receive({ type: 'shutdown' });
    expect(exit).toHaveBeenCalledTimes(1);
  });

  it('sends only what can be cloned into another process', async () => {
    const { host, sent } = hostOf();
    await host.receive(LOAD);
    await host.receive(generate(1));
    await host.receive(generate(2, { request: { prompt: { kind: 'tokens', tokens: [-1] } } }));
    await manyTurns();
    expect(sent.map((message) => structuredClone(message))).toEqual(sent);
  });
});
