import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../src/engine/errors.js';
import { BEGIN, codec, constantModel, END, generatorOf, letters, submission } from './helpers/generators.js';
import { Recorder, settled } from './helpers/recorder.js';
import { generationDefaults } from './helpers/sampling.js';
import { ScriptedModel } from './helpers/scripted-model.js';
import { spelling } from './helpers/sequences.js';

describe('prompts', () => {
  it('of text are encoded with what the model wants around them', async () => {
    const { model, run } = generatorOf();
    const { events } = await run({ prompt: { kind: 'text', text: 'AB' } });
    expect(model.calls[0]?.tokens).toEqual([BEGIN, 0, 1]);
    expect(events[0]).toEqual({ type: 'start', instanceId: 'instance-1', promptTokens: 3 });
  });

  it('of chat messages are encoded as their template has them', async () => {
    const { model, run } = generatorOf();
    const messages = [
      { role: 'system', content: 'AB' },
      { role: 'user', content: 'C' },
    ];
    await run({ prompt: { kind: 'chat', messages } });
    expect(model.calls[0]?.tokens).toEqual([0, 1, 2]);
  });

  it('of tokens are taken as they are', async () => {
    const { model, run } = generatorOf();
    await run({ prompt: { kind: 'tokens', tokens: [63, 0, 5] } });
    expect(model.calls[0]?.tokens).toEqual([63, 0, 5]);
  });

  it('of tokens that the model does not have are refused by name', async () => {
    const bad = fc.oneof(
      fc.integer({ max: -1 }),
      fc.integer({ min: 64 }),
      fc.constantFrom(0.5, NaN, Infinity),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(63), { maxLength: 5 }), bad, async (good, token) => {
        const { model, run } = generatorOf();
        const { failures } = await run({ prompt: { kind: 'tokens', tokens: [...good, token] } });
        expect(failures).toMatchObject([{ code: 'invalid_value', param: 'prompt' }]);
        expect(failures[0]?.message).toContain(`${token} is not a token of this model`);
        expect(model.calls).toEqual([]);
      }),
    );
  });

  it('that are empty become the token that begins a text', async () => {
    const { model, run } = generatorOf();
    await run({ prompt: { kind: 'text', text: '' } });
    expect(model.calls[0]?.tokens).toEqual([BEGIN]);
  });

  it('that are empty are refused if the model has no such token', async () => {
    const { run } = generatorOf({ codec: { ...codec, beginOfSequence: undefined } });
    const { failures } = await run({ prompt: { kind: 'text', text: '' } });
    expect(failures).toMatchObject([{ code: 'invalid_value', param: 'prompt' }]);
    expect(failures[0]).toBeInstanceOf(InvalidRequestError);
  });
});

describe('the length of a completion', () => {
  it('is what was asked for, as long as prompt and completion fit into the context, and is refused beyond', async () => {
    const { run } = generatorOf({ endOfSequence: new Set() });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 25 }),
        fc.integer({ min: 1, max: 25 }),
        async (size, asked) => {
          const { failures, tokens } = await run({ prompt: letters(size), maxTokens: asked });
          const fits = size + asked <= 20;
          expect(tokens).toHaveLength(fits ? asked : 0);
          expect(failures.map(({ code }) => code)).toEqual(fits ? [] : ['context_length_exceeded']);
        },
      ),
    );
  });

  it.each([
    [2, 4],
    [17, 3],
  ])(
    'behind a prompt of %i tokens is by default %i: the model default, as far as it fits',
    async (size, expected) => {
      const { run } = generatorOf({ endOfSequence: new Set() });
      expect((await run({ prompt: letters(size) })).finish.usage.completionTokens).toBe(expected);
    },
  );

  it('is by default all that fits if the model has no default', async () => {
    const defaults = generationDefaults();
    const { run } = generatorOf({ defaults, endOfSequence: new Set() });
    expect((await run({ prompt: letters(5) })).finish.usage.completionTokens).toBe(15);
  });

  it('that is too large is refused with the numbers that count', async () => {
    const { failures } = await generatorOf().run({ prompt: letters(15), maxTokens: 8 });
    expect(failures).toMatchObject([{ code: 'context_length_exceeded', param: 'max_tokens' }]);
    for (const number of [
      '20 tokens',
      '23 were requested',
      '15 in the prompt',
      '8 in the completion',
      'at most 5',
    ]) {
      expect(failures[0]?.message).toContain(number);
    }
  });

  it('leaves no room behind a prompt that fills the context', async () => {
    const { failures } = await generatorOf().run({ prompt: letters(20) });
    expect(failures).toMatchObject([{ code: 'context_length_exceeded', param: 'prompt' }]);
    expect(failures[0]?.message).toContain('the prompt alone has 20');
  });
});

describe('generation', () => {
  it('ends at the end-of-sequence token of the model', async () => {
    const model = new ScriptedModel({ next: (context) => (context.length < 4 ? 0 : END) });
    const { run } = generatorOf({ model });
    const recorder = await run({ prompt: letters(2), maxTokens: 10 });
    expect(recorder.text).toBe('AA');
    expect(recorder.finish.finishReason).toBe('stop');
  });

  it('ends at the stop strings of the request', async () => {
    const model = new ScriptedModel({ next: spelling('HELLOXWORLDX', 1) });
    const { run } = generatorOf({ model });
    const recorder = await run({ prompt: letters(1), maxTokens: 15, stop: ['WOR', 'X'] });
    expect(recorder.text).toBe('HELLO');
    expect(recorder.finish.finishReason).toBe('stop');
  });

  it('uses the sampling of the model where the request says nothing, and otherwise that of the request', async () => {
    const flat = constantModel();
    const defaults = generationDefaults({ temperature: 1 });
    const { run } = generatorOf({ model: flat, defaults, endOfSequence: new Set() });
    const prompt = letters(1);
    expect(new Set((await run({ prompt, seed: 1 })).tokens).size).toBeGreaterThan(1);
    expect(new Set((await run({ prompt, seed: 1, temperature: 0 })).tokens).size).toBe(1);
    expect(new Set((await run({ prompt, seed: 1, topP: 0 })).tokens).size).toBe(1);
  });

  it('stops without a word when it is cancelled', async () => {
    const { generator, model } = generatorOf();
    const recorder = new Recorder(({ type }) => {
      if (type === 'start') generator.cancel(1);
    });
    generator.submit(submission(1, { prompt: letters(1), maxTokens: 10 }), recorder);
    await settled();
    expect(recorder.failures).toEqual([]);
    expect(recorder.types).not.toContain('finish');
    expect(model.calls).toHaveLength(1);
  });
});

describe('the sampling of the model', () => {
  const prompt = letters(1);

  it('has a topK, which a request can turn off', async () => {
    const defaults = generationDefaults({ temperature: 1, topK: 1 });
    const { run } = generatorOf({ model: constantModel(), defaults, endOfSequence: new Set() });
    expect(new Set((await run({ prompt, seed: 1 })).tokens)).toEqual(new Set([0]));
    expect(new Set((await run({ prompt, seed: 1, topK: 2 })).tokens)).toEqual(new Set([0, 1]));
    expect(new Set((await run({ prompt, seed: 1, topK: 0 })).tokens).size).toBeGreaterThan(2);
  });

  it('has a repetition penalty, which a request can turn off', async () => {
    const defaults = generationDefaults({ maxTokens: 3, repetitionPenalty: 2 });
    const { run } = generatorOf({ model: constantModel({ 1: 1, 2: 0.9, 3: 0.8 }), defaults });
    expect((await run({ prompt })).tokens).toEqual([2, 3, 1]);
    expect((await run({ prompt, repetitionPenalty: 1 })).tokens).toEqual([1, 1, 1]);
  });
});

describe('the sampling of a request', () => {
  const prompt = letters(1);

  it('is what it says: minP, penalties, bias, log-probabilities', async () => {
    const model = constantModel({ 1: 1, 2: 0.9 });
    const { run } = generatorOf({ model, defaults: generationDefaults({ maxTokens: 3 }) });
    expect((await run({ prompt, presencePenalty: 0.5 })).tokens).toEqual([1, 2, 1]);
    expect((await run({ prompt, frequencyPenalty: 0.5 })).tokens).toEqual([1, 2, 1]);
    expect((await run({ prompt, logitBias: new Map([[9, 5]]) })).tokens).toEqual([9, 9, 9]);
    const probable = await run({ prompt, temperature: 1, minP: 0.5, seed: 3, maxTokens: 19 });
    expect(new Set(probable.tokens)).toEqual(new Set([1, 2]));
    expect((await run({ prompt, logprobs: 2 })).events[1]).toMatchObject({
      logprobs: { token: 1, text: 'B', top: [{ token: 1 }, { token: 2 }] },
    });
  });

  it('ends at its own stop tokens as at those of the model', async () => {
    const model = new ScriptedModel({ next: spelling('ABCDEF', 1) });
    const recorder = await generatorOf({ model }).run({ prompt, stopTokenIds: [2] });
    expect(recorder.text).toBe('AB');
    expect(recorder.finish.finishReason).toBe('stop');
  });

  it('goes on past the end-of-sequence token if it ignores it, but not past its own stop tokens', async () => {
    const { run } = generatorOf({ model: constantModel({ [END]: 1 }) });
    expect((await run({ prompt })).tokens).toEqual([END]);
    const ignoring = await run({ prompt, ignoreEos: true });
    expect(ignoring.tokens).toEqual([END, END, END, END]);
    expect(ignoring.finish.finishReason).toBe('length');
    expect((await run({ prompt, ignoreEos: true, stopTokenIds: [END] })).tokens).toEqual([END]);
  });

  it('has at least minTokens', async () => {
    const { run } = generatorOf({ model: constantModel({ [END]: 1 }) });
    expect((await run({ prompt, minTokens: 2 })).tokens).toEqual([0, 0, END]);
    const whole = await run({ prompt, minTokens: 4 });
    expect(whole.tokens).toEqual([0, 0, 0, 0]);
    expect(whole.finish.finishReason).toBe('length');
  });

  it('is refused by name if it wants more tokens than it gets', async () => {
    const { model, run } = generatorOf();
    for (const request of [{ minTokens: 3, maxTokens: 2 }, { minTokens: 5 }]) {
      const { failures } = await run({ prompt, ...request });
      expect(failures).toMatchObject([{ code: 'invalid_value', param: 'min_tokens' }]);
      expect(failures[0]).toBeInstanceOf(InvalidRequestError);
    }
    expect(model.calls).toEqual([]);
  });

  it('is refused by name if it speaks of tokens that the model does not have', async () => {
    const bad = fc.oneof(fc.integer({ max: -1 }), fc.integer({ min: 64 }), fc.constantFrom(0.5, NaN));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(63), { maxLength: 5 }), bad, async (good, token) => {
        const { model, run } = generatorOf();
        const tokens = [...good, token];
        const biased = await run({ prompt, logitBias: new Map(tokens.map((id) => [id, 1])) });
        const stopped = await run({ prompt, stopTokenIds: tokens });
        expect(biased.failures).toMatchObject([{ code: 'invalid_value', param: 'logit_bias' }]);
        expect(stopped.failures).toMatchObject([{ code: 'invalid_value', param: 'stop_token_ids' }]);
        for (const { failures } of [biased, stopped]) {
          expect(failures[0]?.message).toContain(`${token} is not a token of this model`);
        }
        expect(model.calls).toEqual([]);
      }),
    );
  });

  it('is not blamed for an end-of-sequence token that the model names but does not have', async () => {
    const { run } = generatorOf({ endOfSequence: new Set([64]) });
    expect((await run({ prompt, minTokens: 1 })).failures).toEqual([]);
  });
});

describe('what is wrong with a request', () => {
  it('is reported through the sink as it is if it is meant for clients', async () => {
    const refusal = new InvalidRequestError('invalid_value', 'roles must alternate', { param: 'messages' });
    const { run } = generatorOf({ encoder: { encode: () => Promise.reject(refusal) } });
    const { failures } = await run({ prompt: { kind: 'chat', messages: [] } });
    expect(failures).toEqual([refusal]);
  });

  it('is reported through the sink as an internal error if it is not', async () => {
    const broken = new TypeError('not a function');
    const { run } = generatorOf({ encoder: { encode: () => Promise.reject(broken) } });
    const { failures } = await run({ prompt: { kind: 'text', text: 'A' } });
    expect(failures).toMatchObject([{ code: 'internal_error', message: 'not a function' }]);
  });

  it('does not touch the requests beside it', async () => {
    const { run } = generatorOf();
    const [bad, good] = await Promise.all([run({ prompt: letters(99) }), run({ prompt: letters(2) })]);
    expect(bad.failures).toHaveLength(1);
    expect(good.types.at(-1)).toBe('finish');
  });
});
