import { describe, expect, it } from 'vitest';
import type { PromptEncoding } from '../../src/engine/generation/text-generator.js';
import { generatorOf, letters, submission } from './helpers/generators.js';
import { Recorder, settled } from './helpers/recorder.js';
import { generationDefaults } from './helpers/sampling.js';
import { ScriptedModel } from './helpers/scripted-model.js';

describe('a KV cache', () => {
  // 16 tokens, less than the context
  const model = (): ScriptedModel => new ScriptedModel({ blocks: 4, blockTokens: 4 });

  it('that could not hold prompt and completion refuses the request, which would wait for ever', async () => {
    const { run } = generatorOf({ model: model(), endOfSequence: new Set() });
    expect((await run({ prompt: letters(6), maxTokens: 10 })).tokens).toHaveLength(10);
    const { failures } = await run({ prompt: letters(6), maxTokens: 11 });
    expect(failures).toMatchObject([{ code: 'context_length_exceeded', param: 'prompt' }]);
    expect(failures[0]?.message).toContain('holds 16 tokens, but the request could take 17');
  });

  it('bounds what is generated if nothing is asked for', async () => {
    const defaults = generationDefaults();
    const { run } = generatorOf({ model: model(), defaults, endOfSequence: new Set() });
    expect((await run({ prompt: letters(6) })).finish.usage.completionTokens).toBe(10);
    expect((await run({ prompt: letters(15) })).finish.usage.completionTokens).toBe(1);
    expect((await run({ prompt: letters(16) })).failures).toMatchObject([
      { code: 'context_length_exceeded' },
    ]);
  });
});

describe('a prompt that is echoed', () => {
  it('comes with the start: a text as it was sent, tokens decoded', async () => {
    const { run } = generatorOf();
    const text = await run({ prompt: { kind: 'text', text: 'AB' }, echo: true });
    expect(text.events[0]).toMatchObject({ type: 'start', promptTokens: 3, promptText: 'AB' });
    const tokens = await run({ prompt: { kind: 'tokens', tokens: [2, 3] }, echo: true });
    expect(tokens.events[0]).toMatchObject({ promptText: 'CD' });
    expect(tokens.types.at(-1)).toBe('finish');
  });
});

describe('a request whose prompt is being encoded', () => {
  /** Encodes when it is told to. */
  function slowEncoder() {
    const jobs: {
      resolve: (tokens: number[]) => void;
      reject: (error: Error) => void;
      signal: AbortSignal;
    }[] = [];
    const encoder: PromptEncoding = {
      encode: (_, signal) => new Promise((resolve, reject) => void jobs.push({ resolve, reject, signal })),
    };
    return { encoder, jobs };
  }

  it('does not hold up others', async () => {
    const { encoder, jobs } = slowEncoder();
    const { generator, run } = generatorOf({ encoder });
    const waiting = new Recorder();
    generator.submit(submission(99, { prompt: { kind: 'text', text: 'A' } }), waiting);
    expect((await run({ prompt: letters(2) })).types.at(-1)).toBe('finish');
    expect(waiting.events).toEqual([]);
    jobs[0]?.resolve([1, 2]);
    await waiting.ended;
    expect(waiting.types.at(-1)).toBe('finish');
  });

  it.each(['resolve', 'reject'] as const)(
    'is cancelled without a word if its encoding %ss later',
    async (how) => {
      const { encoder, jobs } = slowEncoder();
      const { generator, model } = generatorOf({ encoder });
      const recorder = new Recorder();
      generator.submit(submission(1, { prompt: { kind: 'text', text: 'A' } }), recorder);
      const [job] = jobs;
      expect(job?.signal.aborted).toBe(false);
      generator.cancel(1);
      expect(job?.signal.aborted).toBe(true);
      if (how === 'resolve') job?.resolve([1, 2]);
      else job?.reject(new Error('aborted'));
      await settled();
      expect(recorder.events).toEqual([]);
      expect(recorder.failures).toEqual([]);
      expect(model.calls).toEqual([]);
    },
  );

  it('is checked for its length as any other', async () => {
    const { encoder, jobs } = slowEncoder();
    const { generator } = generatorOf({ encoder });
    const recorder = new Recorder();
    generator.submit(submission(1, { prompt: { kind: 'chat', messages: [] } }), recorder);
    jobs[0]?.resolve(Array.from({ length: 20 }, () => 1));
    await recorder.ended;
    expect(recorder.failures).toMatchObject([{ code: 'context_length_exceeded', param: 'messages' }]);
  });
});
