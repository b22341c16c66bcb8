import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Recorder } from './helpers/recorder.js';
import type { Script } from './helpers/scripted-model.js';
import { alone, loopOf, untilIdle, type Options } from './helpers/step-loops.js';

/** Whose rows make every pass fail. */
const POISON = 63;

interface Request extends Options {
  /** Passes that have begun when it comes; it comes sooner if nothing else is left to do. */
  readonly at: number;
  /** Likewise when it is cancelled. */
  readonly cancelAt: number | undefined;
}

const requests: fc.Arbitrary<Request[]> = fc
  .array(
    fc.record({
      priority: fc.constantFrom('interactive', 'background'),
      client: fc.constantFrom('a', 'b'),
      promptTokens: fc.array(fc.nat(3), { minLength: 1, maxLength: 14 }),
      maxTokens: fc.integer({ min: 1, max: 10 }),
      temperature: fc.constantFrom(0, 1),
      seed: fc.nat(),
      at: fc.nat(20),
      cancelAt: fc.option(fc.nat(40), { nil: undefined, freq: 3 }),
    }),
    { minLength: 1, maxLength: 10 },
  )
  .map((drafts) => drafts.toSorted((a, b) => a.at - b.at).map((each, i) => ({ ...each, id: i + 1 })));

const setUps = fc.record({
  maxRows: fc.integer({ min: 1, max: 6 }),
  backgroundShare: fc.double({ min: 0, max: 0.99, noNaN: true }),
  prefillChunk: fc.integer({ min: 1, max: 8 }),
  stepTokens: fc.integer({ min: 1, max: 16 }),
  blockTokens: fc.integer({ min: 1, max: 4 }),
  /** Blocks beyond what the longest sequence takes. */
  spare: fc.oneof(fc.nat(6), fc.constant(1000)),
  prefixCaching: fc.boolean(),
  /** A pass of more rows fails. */
  memory: fc.constantFrom(1, 2, 3, Infinity, Infinity),
});

type SetUp = typeof setUps extends fc.Arbitrary<infer T> ? T : never;

/** Runs all of them in one loop. */
async function together(all: readonly Request[], { spare, memory, backgroundShare, ...rest }: SetUp) {
  const lengths = all.map(({ promptTokens, maxTokens }) => (promptTokens?.length ?? 0) + (maxTokens ?? 0));
  const script: Script = {
    ...rest,
    blocks: Math.ceil(Math.max(...lengths) / rest.blockTokens) + spare,
    during: async (rows, number) => {
      act(number);
      await Promise.resolve();
      act(number);
      const poisoned = rows.some(({ cache, tokens }) => (cache.tokens[0] ?? tokens[0]) === POISON);
      if (poisoned || rows.length > memory) throw new Error('the pass failed');
    },
  };
  const { model, loop, add } = loopOf(script, {
    ...rest,
    backgroundRows: Math.floor(rest.maxRows * backgroundShare),
  });
  const recorders = all.map(() => new Recorder());
  const cancelled = new Set<number>();
  let next = 0;
  const addNext = (): void => {
    const i = next++; // adding may begin a pass at once
    add(all[i] as Request, recorders[i]);
  };
  const act = (number: number): void => {
    while (next < all.length && (all[next] as Request).at <= number) addNext();
    for (const { id, cancelAt = Infinity } of all.slice(0, next)) {
      if (cancelAt > number || cancelled.has(id)) continue;
      cancelled.add(id);
      loop.cancel(id);
    }
  };
  while (next < all.length) {
    addNext();
    await untilIdle(loop);
  }
  return { model, recorders, cancelled };
}

function withoutCached(recorder: Recorder): unknown[] {
  return recorder.events.map((event) =>
    event.type === 'finish' ? { ...event, usage: { ...event.usage, cachedTokens: 0 } } : event,
  );
}

async function expectAsAlone(all: readonly Request[], setUp: SetUp): Promise<void> {
  const { model, recorders, cancelled } = await together(all, setUp);
  for (const [i, request] of all.entries()) {
    const { events } = await alone(request);
    const recorder = recorders[i] as Recorder;
    const isPoisoned = request.promptTokens?.[0] === POISON;
    const isCancelled = cancelled.has(request.id);
    const got = withoutCached(recorder);
    // of one that was cancelled, the beginning
    expect(got).toEqual(isPoisoned ? [] : events.slice(0, isCancelled ? got.length : undefined));
    const codes = recorder.failures.map(({ code }) => code);
    const neverTold = isCancelled && codes.length === 0;
    expect(codes).toEqual(isPoisoned && !neverTold ? ['generation_failed'] : []);
  }
  expect(model.refusals).toEqual([]);
  expect(model.opened.size).toBe(0);
  expect(model.availableBlocks).toBe(model.blocks);
  expect(Math.max(...model.widths)).toBeLessThanOrEqual(setUp.maxRows);
}

describe('sequences that run together', () => {
  it('get what they get alone, whoever comes, goes, is cancelled, and however little memory there is', async () => {
    await fc.assert(fc.asyncProperty(requests, setUps, expectAsAlone), { numRuns: 400 });
  });

  it('get it also beside one that makes every pass fail, which alone fails', async () => {
    const one = fc.nat();
    await fc.assert(
      fc.asyncProperty(requests, setUps, one, async (all, setUp, pick) => {
        const poisoned = pick % all.length;
        const some = all.map((each, i) =>
          i === poisoned ? { ...each, promptTokens: [POISON, 1, 2] } : each,
        );
        await expectAsAlone(some, setUp);
      }),
      { numRuns: 200 },
    );
  });

  it('get it also where all of them are parked, evicted and resumed', async () => {
    const all = Array.from({ length: 6 }, (_, i): Request => {
      const priority = i % 2 === 0 ? 'background' : 'interactive';
      return { id: i + 1, priority, promptTokens: [i, i, i], maxTokens: 20, at: 5 * i, cancelAt: undefined };
    });
    const setUp = { maxRows: 3, backgroundShare: 0.4, prefillChunk: 4, stepTokens: 8, blockTokens: 2 };
    await expectAsAlone(all, { ...setUp, spare: 2, prefixCaching: false, memory: 2 });
  });
});
