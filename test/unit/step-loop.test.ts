import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StepLoop } from '../../src/engine/generation/step-loop.js';
import type { SequenceOptions } from '../../src/engine/generation/sequence.js';
import { Recorder, settled } from './helpers/recorder.js';
import { ScriptedModel, type Script, type TokenCache } from './helpers/scripted-model.js';
import { sequenceOf } from './helpers/sequences.js';

type Options = Partial<SequenceOptions> & { readonly id: number };

function loopOf(script: Script = {}) {
  const model = new ScriptedModel(script);
  const loop = new StepLoop<TokenCache>(model, 'instance-1');
  const add = (options: Options, recorder = new Recorder()): Recorder => {
    loop.add(sequenceOf(options), recorder);
    return recorder;
  };
  return { model, loop, add };
}

async function alone(options: Options): Promise<Recorder> {
  const recorder = loopOf().add(options);
  await recorder.ended;
  return recorder;
}

/** Whose passes ran, in order: a sequence is told by the first token of its prompt. */
function passes({ calls }: ScriptedModel): number[] {
  return calls.map(({ cache, tokens }) => cache[0] ?? tokens[0]!);
}

describe('StepLoop', () => {
  it('gives a start, the tokens and a finish, in this order', async () => {
    const recorder = await alone({ id: 1, promptTokens: [1, 2, 3, 4], maxTokens: 3 });
    expect(recorder.types).toEqual(['start', 'token', 'token', 'token', 'finish']);
    expect(recorder.events[0]).toEqual({ type: 'start', instanceId: 'instance-1', promptTokens: 4 });
    expect(recorder.finish.usage).toEqual({ promptTokens: 4, completionTokens: 3 });
  });

  it('puts every token into the cache once, but the last, which nothing follows', async () => {
    const { model, add } = loopOf();
    const recorder = add({ id: 1, promptTokens: [9, 8], maxTokens: 4 });
    await recorder.ended;
    expect(model.calls[0]?.cache).toEqual([9, 8, ...recorder.tokens.slice(0, -1)]);
    expect(model.calls.map(({ tokens }) => tokens.length)).toEqual([2, 1, 1, 1]);
  });

  it('runs a long prompt in pieces of at most 512 tokens, and starts with the first token', async () => {
    const promptTokens = Array.from({ length: 1200 }, (_, i) => i % 64);
    const startedAfter: number[] = [];
    const { model, add } = loopOf();
    const recorder = new Recorder(({ type }) => {
      if (type === 'start') startedAfter.push(model.calls.length);
    });
    add({ id: 1, promptTokens, maxTokens: 2 }, recorder);
    await recorder.ended;
    expect(model.calls.map(({ tokens }) => tokens.length)).toEqual([512, 512, 176, 1]);
    expect(model.calls[0]?.cache.slice(0, 1200)).toEqual(promptTokens);
    expect(startedAfter).toEqual([3]);
    expect(recorder.types).toEqual(['start', 'token', 'token', 'finish']);
  });

  it('gives each of many sequences what it gives to it alone, whatever else runs', async () => {
    const requests = fc.array(
      fc.record({
        priority: fc.constantFrom('interactive', 'background'),
        promptTokens: fc.array(fc.nat(63), { minLength: 1, maxLength: 8 }),
        maxTokens: fc.integer({ min: 1, max: 6 }),
        temperature: fc.constantFrom(0, 1),
        seed: fc.nat(),
      }),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(requests, async (options) => {
        const { add } = loopOf();
        const together = options.map((each, i) => add({ id: i + 1, ...each }));
        await Promise.all(together.map(({ ended }) => ended));
        for (const [i, each] of options.entries()) {
          expect(together[i]?.events).toEqual((await alone({ id: i + 1, ...each })).events);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('lets an interactive sequence go first, and goes on with the background one as if nothing had been', async () => {
    const background: Options = { id: 1, priority: 'background', promptTokens: [1, 5], maxTokens: 6 };
    const person = new Recorder();
    const { model, add } = loopOf({
      during: (_, number) => {
        if (number === 3) add({ id: 2, promptTokens: [2, 5], maxTokens: 3 }, person);
      },
    });
    const recorder = add(background);
    await recorder.ended;
    expect(passes(model)).toEqual([1, 1, 1, 2, 2, 2, 1, 1, 1]);
    expect(person.types.at(-1)).toBe('finish');
    expect(recorder.events).toEqual((await alone(background)).events);
  });

  it('lets an interactive sequence go first also in the middle of a long background prompt', async () => {
    const promptTokens = Array.from({ length: 1100 }, () => 1);
    const person = new Recorder();
    const { model, add } = loopOf({
      during: (_, number) => {
        if (number === 1) add({ id: 2, promptTokens: [2], maxTokens: 2 }, person);
      },
    });
    const background: Options = { id: 1, priority: 'background', promptTokens, maxTokens: 1 };
    const recorder = add(background);
    await recorder.ended;
    expect(passes(model)).toEqual([1, 2, 2, 1, 1]);
    expect(recorder.events).toEqual((await alone(background)).events);
  });

  it('sleeps when there is no work, and wakes up for more', async () => {
    const { model, add } = loopOf();
    const first = add({ id: 1, maxTokens: 2 });
    await first.ended;
    await settled();
    expect(model.calls).toHaveLength(2);
    const second = add({ id: 2, maxTokens: 2 });
    await second.ended;
    expect(second.events).toEqual(first.events);
  });
});

describe('a cancelled sequence', () => {
  it('gets no more events and no more passes, also if a pass of it is under way', async () => {
    const { model, loop, add } = loopOf({
      during: (_, number) => {
        if (number === 3) loop.cancel(1);
      },
    });
    const cancelled = add({ id: 1, promptTokens: [1], maxTokens: 10 });
    const other = add({ id: 2, promptTokens: [2], maxTokens: 2 });
    await other.ended;
    await settled();
    expect(cancelled.types).toEqual(['start', 'token', 'token']);
    expect(cancelled.failures).toEqual([]);
    expect(passes(model)).toEqual([1, 1, 1, 2, 2]);
  });

  it('gets nothing at all if it is cancelled while it waits', async () => {
    const { model, loop, add } = loopOf();
    const running = add({ id: 1, promptTokens: [1], maxTokens: 2 });
    const waiting = add({ id: 2, promptTokens: [2] });
    loop.cancel(2);
    await running.ended;
    await settled();
    expect(waiting.events).toEqual([]);
    expect(passes(model)).toEqual([1, 1]);
  });

  it('gets nothing more if it is cancelled by what receives its events', async () => {
    const { model, loop, add } = loopOf();
    const cancelled = new Recorder(({ type }) => {
      if (type === 'token') loop.cancel(1);
    });
    add({ id: 1, promptTokens: [1], maxTokens: 10 }, cancelled);
    await settled();
    expect(cancelled.types).toEqual(['start', 'token']);
    expect(model.calls).toHaveLength(1);
  });

  it('is not told that its pass failed', async () => {
    const { loop, add } = loopOf({
      during: () => {
        loop.cancel(1);
        throw new Error('out of memory');
      },
    });
    const cancelled = add({ id: 1 });
    await settled();
    expect(cancelled.failures).toEqual([]);
  });

  it('may be cancelled again, or after its end', async () => {
    const { loop, add } = loopOf();
    const recorder = add({ id: 1, maxTokens: 1 });
    await recorder.ended;
    expect(() => {
      loop.cancel(1);
      loop.cancel(99);
    }).not.toThrow();
  });
});

describe('a pass that fails', () => {
  it('fails its sequence with what went wrong, and only that one', async () => {
    const { model, add } = loopOf({
      during: ({ cache }) => {
        if (cache[0] === 1 && cache.length === 4) throw new Error('out of memory');
      },
    });
    const failing = add({ id: 1, promptTokens: [1, 1, 1], maxTokens: 5 });
    const options = { id: 2, promptTokens: [2, 2, 2] };
    const other = add(options);
    await Promise.all([failing.ended, other.ended]);
    expect(failing.types).toEqual(['start', 'token', 'token']);
    expect(failing.failures).toMatchObject([
      { code: 'generation_failed', message: 'The model failed on this request: out of memory' },
    ]);
    expect(other.events).toEqual((await alone(options)).events);
    expect(passes(model).filter((sequence) => sequence === 1)).toHaveLength(3);
  });

  it('fails its sequence also when only its logits are wrong', async () => {
    const model = new ScriptedModel();
    const broken = Object.assign(model, {
      forward: () => Promise.resolve(new Float32Array(model.vocabSize).fill(Number.NaN)),
    });
    const recorder = new Recorder();
    new StepLoop<TokenCache>(broken, 'instance-1').add(sequenceOf({ id: 1 }), recorder);
    await recorder.ended;
    expect(recorder.failures).toMatchObject([{ code: 'generation_failed' }]);
    expect(recorder.types).not.toContain('finish');
  });

  it('leaves the loop ready for more', async () => {
    let broken = true;
    const { add } = loopOf({
      during: () => {
        if (broken) throw new Error('once');
      },
    });
    await add({ id: 1 }).ended;
    broken = false;
    const next = add({ id: 2 });
    await next.ended;
    expect(next.types.at(-1)).toBe('finish');
  });
});
