import { afterEach, describe, expect, it, vi } from 'vitest';
import { Recorder } from './helpers/recorder.js';
import { alone, LIMITS, loopOf, ONE_ROW, rowsOf, untilIdle, type Options } from './helpers/step-loops.js';

afterEach(() => vi.useRealTimers());

describe('StepLoop', () => {
  it('gives a start, the tokens and a finish, in this order', async () => {
    const recorder = await alone({ id: 1, promptTokens: [1, 2, 3, 4], maxTokens: 3 });
    expect(recorder.types).toEqual(['start', 'token', 'token', 'token', 'finish']);
    expect(recorder.events[0]).toEqual({ type: 'start', instanceId: 'instance-1', promptTokens: 4 });
    expect(recorder.finish.usage).toEqual({ promptTokens: 4, cachedTokens: 0, completionTokens: 3 });
  });

  it('tells with the start how long the request waited and how long its prompt took', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { add } = loopOf({ during: () => void vi.advanceTimersByTime(100) });
    const promptTokens = [1, 2, 3, 4, 5];
    const first = add({ id: 1, promptTokens, maxTokens: 2 });
    // these come during the first pass
    const second = add({ id: 2, promptTokens, maxTokens: 2 });
    const third = add({ id: 3, promptTokens, maxTokens: 2 });
    await Promise.all([first.ended, second.ended, third.ended]);
    expect(first.timings).toEqual([{ queueMs: 0, prefillMs: 400 }]);
    expect(second.timings).toEqual([{ queueMs: 0, prefillMs: 400 }]);
    expect(third.timings).toEqual([{ queueMs: 100, prefillMs: 300 }]);
  });

  it('runs every token once, but the last, which nothing follows', async () => {
    const { model, add } = loopOf();
    const recorder = add({ id: 1, promptTokens: [9, 8], maxTokens: 4 });
    await recorder.ended;
    expect(model.calls[0]?.cache.tokens).toEqual([9, 8, ...recorder.tokens.slice(0, -1)]);
    expect(model.calls.map(({ tokens }) => tokens.length)).toEqual([2, 1, 1, 1]);
  });

  it('runs a long prompt in pieces, and starts with the first token', async () => {
    const promptTokens = Array.from({ length: 11 }, (_, i) => i);
    const startedAfter: number[] = [];
    const { model, add } = loopOf();
    const recorder = new Recorder(({ type }) => {
      if (type === 'start') startedAfter.push(model.widths.length);
    });
    add({ id: 1, promptTokens, maxTokens: 2 }, recorder);
    await recorder.ended;
    expect(model.calls.map(({ tokens }) => tokens.length)).toEqual([4, 4, 3, 1]);
    expect(model.calls[0]?.cache.tokens.slice(0, 11)).toEqual(promptTokens);
    expect(startedAfter).toEqual([3]);
    expect(recorder.types).toEqual(['start', 'token', 'token', 'finish']);
  });

  it('runs sequences that decode in one pass, and prompts before it', async () => {
    const { model, add } = loopOf();
    const recorders = [1, 2, 3].map((id) => add({ id, promptTokens: [id], maxTokens: 3 }));
    await Promise.all(recorders.map(({ ended }) => ended));
    // the first is under way when the others come
    expect(model.widths).toEqual([1, 1, 1, 1, 3, 2]);
    expect(rowsOf(model)).toEqual([1, 2, 3, 1, 1, 2, 3, 2, 3]);
  });

  it('takes in what comes while others run', async () => {
    const later = new Recorder();
    const { model, add } = loopOf({
      during: (_, number) => {
        if (number === 3) add({ id: 2, promptTokens: [2], maxTokens: 2 }, later);
      },
    });
    await add({ id: 1, promptTokens: [1], maxTokens: 6 }).ended;
    expect(later.types.at(-1)).toBe('finish');
    expect(model.widths).toEqual([1, 1, 1, 1, 1, 2, 1]);
  });

  it('sleeps without a timer when there is no work, and wakes up for more', async () => {
    vi.useFakeTimers();
    const { model, add } = loopOf();
    const first = add({ id: 1, maxTokens: 2 });
    await first.ended;
    for (let i = 0; i < 100; i++) await Promise.resolve();
    expect(vi.getTimerCount()).toBe(0);
    expect(model.widths).toHaveLength(2);
    const second = add({ id: 2, maxTokens: 2 });
    await second.ended;
    expect(second.events).toEqual(first.events);
  });

  it('tells how many tokens of the prompt the cache held, not what an eviction made it find again', async () => {
    const { add } = loopOf({ prefixCaching: true });
    const promptTokens = [1, 2, 3, 4, 5, 6, 7, 8];
    const first = add({ id: 1, promptTokens, maxTokens: 2 });
    await first.ended;
    const second = add({ id: 2, promptTokens, maxTokens: 2 });
    await second.ended;
    expect(first.finish.usage.cachedTokens).toBe(0);
    // never the whole prompt
    expect(second.finish.usage.cachedTokens).toBe(4);
    expect(second.tokens).toEqual(first.tokens);
  });
});

describe('a background sequence', () => {
  const batch: Options = { id: 1, priority: 'background', promptTokens: [1, 5], maxTokens: 6 };

  it('lets an interactive one go first, and goes on as if nothing had been', async () => {
    const person = new Recorder();
    const { model, add } = loopOf(
      {
        during: (_, number) => {
          if (number === 3) add({ id: 2, promptTokens: [2, 5], maxTokens: 3 }, person);
        },
      },
      ONE_ROW,
    );
    const recorder = add(batch);
    await recorder.ended;
    expect(rowsOf(model)).toEqual([1, 1, 1, 2, 2, 2, 1, 1, 1]);
    expect(person.types.at(-1)).toBe('finish');
    expect(recorder.events).toEqual((await alone(batch)).events);
  });

  it('lets an interactive one go first also in the middle of a long prompt', async () => {
    const promptTokens = Array.from({ length: 11 }, () => 1);
    const { model, add } = loopOf(
      {
        during: (_, number) => {
          if (number === 1) add({ id: 2, promptTokens: [2], maxTokens: 2 });
        },
      },
      ONE_ROW,
    );
    const long: Options = { ...batch, promptTokens, maxTokens: 1 };
    const recorder = add(long);
    await recorder.ended;
    expect(rowsOf(model)).toEqual([1, 2, 2, 1, 1]);
    expect(recorder.events).toEqual((await alone(long)).events);
  });

  it.each([
    ['decodes', [1], 50],
    ['has a prompt to run', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 2],
  ])('goes on while an interactive one comes in every pass, if it %s', async (_, promptTokens, maxTokens) => {
    const { model, add } = loopOf({
      during: (__, number) => {
        if (number < 3000) add({ id: number + 1, promptTokens: [2, 3], maxTokens: 1 });
      },
    });
    await add({ id: 1, priority: 'background', promptTokens, maxTokens }).ended;
    // a step in four, of at most eight passes
    expect(model.widths.length).toBeLessThan(2000);
  });

  it('does not begin a pass of its own when an interactive one has come since the step was planned', async () => {
    const { model, add } = loopOf({
      during: (_, number) => {
        if (number === 3) add({ id: 3, promptTokens: [3], maxTokens: 1 });
      },
    });
    // when 2 has run its prompt, 1 would decode
    const recorder = add({ ...batch, promptTokens: [1] });
    add({ id: 2, promptTokens: [2], maxTokens: 1 });
    await recorder.ended;
    const rows = rowsOf(model);
    expect(rows.indexOf(3)).toBeLessThan(4);
    expect(recorder.events).toEqual((await alone({ ...batch, promptTokens: [1] })).events);
  });

  it('gives up its cache where an interactive one needs it, and runs its tokens again', async () => {
    const person = new Recorder();
    const { model, add } = loopOf({
      blocks: 3,
      during: (_, number) => {
        if (number === 3) add({ id: 2, promptTokens: [2, 5, 5, 5, 5, 5, 5], maxTokens: 3 }, person);
      },
    });
    const recorder = add(batch);
    await recorder.ended;
    // two pieces of a prompt and two tokens; then prompt and completion so far
    expect(rowsOf(model)).toEqual([1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1]);
    expect(recorder.events).toEqual((await alone(batch)).events);
    expect(person.types.at(-1)).toBe('finish');
  });

  it('does not count as cached what it ran itself before it gave up its cache', async () => {
    const long: Options = { id: 1, priority: 'background', promptTokens: [1, 5, 5, 5, 5], maxTokens: 6 };
    const { model, add } = loopOf({
      blocks: 3,
      prefixCaching: true,
      during: (_, number) => {
        if (number === 4) add({ id: 2, promptTokens: [2, 5, 5, 5, 5, 5, 5], maxTokens: 3 });
      },
    });
    const recorder = add(long);
    await recorder.ended;
    // it was found again all the same: four tokens of them were not run twice
    expect(
      model.calls.filter(({ cache }) => cache.tokens[0] === 1).map(({ tokens }) => tokens.length),
    ).toEqual([4, 1, 1, 1, 4, 1, 1]);
    expect(recorder.events).toEqual((await alone(long)).events);
  });
});

describe('a cancelled sequence', () => {
  it('gets no more events and no more passes, also if a pass of it is under way', async () => {
    const { model, loop, add } = loopOf({
      during: (_, number) => {
        if (number === 4) loop.cancel(1);
      },
    });
    const cancelled = add({ id: 1, promptTokens: [1], maxTokens: 10 });
    const other = add({ id: 2, promptTokens: [2], maxTokens: 5 });
    await other.ended;
    await untilIdle(loop);
    expect(cancelled.types).toEqual(['start', 'token', 'token']);
    expect(cancelled.failures).toEqual([]);
    expect(model.widths).toEqual([1, 1, 1, 2, 1, 1, 1]);
    expect(model.opened.size).toBe(0);
  });

  it('keeps its cache until the pass that uses it has ended, and no longer', async () => {
    const open: number[] = [];
    const { model, loop, add } = loopOf({
      during: async (_, number) => {
        if (number === 2) loop.cancel(1);
        await Promise.resolve();
        open.push(model.opened.size);
      },
    });
    add({ id: 1, promptTokens: [1], maxTokens: 10 });
    await untilIdle(loop);
    expect(open).toEqual([1, 1]);
    expect(model.opened.size).toBe(0);
  });

  it('is not run if another pass of the same step was under way', async () => {
    const { model, loop, add } = loopOf({
      during: (_, number) => {
        if (number === 2) loop.cancel(3);
      },
    });
    add({ id: 1, promptTokens: [1], maxTokens: 1 });
    add({ id: 2, promptTokens: [2], maxTokens: 1 });
    const cancelled = add({ id: 3, promptTokens: [3], maxTokens: 1 });
    await untilIdle(loop);
    expect(rowsOf(model)).toEqual([1, 2]);
    expect(model.refusals).toEqual([]);
    expect(cancelled.events).toEqual([]);
    expect(model.opened.size).toBe(0);
  });

  it('gets nothing at all if it is cancelled while it waits', async () => {
    const { model, loop, add } = loopOf({}, ONE_ROW);
    const running = add({ id: 1, promptTokens: [1], maxTokens: 2 });
    const waiting = add({ id: 2, promptTokens: [2] });
    loop.cancel(2);
    await running.ended;
    await untilIdle(loop);
    expect(waiting.events).toEqual([]);
    expect(rowsOf(model)).toEqual([1, 1]);
  });

  it.each([
    ['start', 10, ['start']],
    ['token', 10, ['start', 'token']],
    // its last, which the finish follows
    ['token', 1, ['start', 'token']],
  ])('gets nothing more if it is cancelled by what receives its %s of %i', async (at, maxTokens, types) => {
    const { model, loop, add } = loopOf();
    const cancelled = new Recorder(({ type }) => {
      if (type === at) loop.cancel(1);
    });
    add({ id: 1, promptTokens: [1], maxTokens }, cancelled);
    await untilIdle(loop);
    expect(cancelled.types).toEqual(types);
    expect(model.widths).toHaveLength(1);
    expect(model.opened.size).toBe(0);
  });

  it('is not told that its pass failed', async () => {
    const { model, loop, add } = loopOf({
      during: () => {
        loop.cancel(1);
        throw new Error('out of memory');
      },
    });
    const cancelled = add({ id: 1 });
    await untilIdle(loop);
    expect(cancelled.failures).toEqual([]);
    expect(model.opened.size).toBe(0);
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

describe('limits', () => {
  it('hold in every pass', async () => {
    const { model, add } = loopOf({}, { maxRows: 3 });
    const recorders = Array.from({ length: 8 }, (_, i) => add({ id: i + 1, promptTokens: [i, i, i, i, i] }));
    await Promise.all(recorders.map(({ ended }) => ended));
    expect(Math.max(...model.widths)).toBe(3);
    expect(Math.max(...model.calls.map(({ tokens }) => tokens.length))).toBe(LIMITS.prefillChunk);
  });
});
