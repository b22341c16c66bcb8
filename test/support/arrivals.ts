import * as fc from 'fast-check';
import type { Arrival, Outcome, TestGenerator } from './generators.js';

export interface ArrivalOptions {
  readonly vocabSize: number;
  /** How many come. */
  readonly count: number;
  readonly maxPrompt: number;
  readonly maxTokens: number;
  /** Default: greedy. */
  readonly temperature?: number;
}

/**
 * Requests of any length in any order: some begin alike, some come late, some are cancelled (waiting, in their prompt or decoding),
 * of two priorities and three clients.
 */
export function arrivals(options: ArrivalOptions): fc.Arbitrary<Arrival[]> {
  const { vocabSize, count, maxPrompt, maxTokens, temperature = 0 } = options;
  const token = fc.integer({ min: 3, max: vocabSize - 1 });
  const begin = fc.array(token, { minLength: maxPrompt, maxLength: maxPrompt, size: 'max' });
  const arrival = (begins: readonly number[][]): fc.Arbitrary<Arrival> =>
    fc
      .record({
        begin: fc.constantFrom(...begins),
        length: fc.integer({ min: 1, max: maxPrompt }),
        // of its own, at the end
        own: fc.array(token, { maxLength: 8 }),
        maxTokens: fc.integer({ min: 1, max: maxTokens }),
        seed: fc.integer(),
        priority: fc.constantFrom('interactive' as const, 'background' as const),
        client: fc.constantFrom('a', 'b', 'c'),
        delay: fc.integer({ min: 0, max: 30 }),
        // one of four
        cancelAfter: fc.oneof(
          { weight: 3, arbitrary: fc.constant(undefined) },
          { weight: 1, arbitrary: fc.integer({ min: 0, max: 30 }) },
        ),
      })
      .map(({ begin: shared, length, own, maxTokens: most, seed, ...when }) => ({
        request: {
          prompt: {
            kind: 'tokens',
            tokens: [...shared.slice(0, Math.max(0, length - own.length)), ...own, 3],
          },
          maxTokens: most,
          temperature,
          seed,
          topK: 0,
          topP: 1,
          ignoreEos: true,
        },
        ...when,
      }));
  return fc
    .array(begin, { minLength: 3, maxLength: 3, size: 'max' })
    .chain((begins) => fc.array(arrival(begins), { minLength: count, maxLength: count, size: 'max' }));
}

/** Few runs of many sequences each; one that fails is told as it is, for a smaller one would take minutes to find. */
export function holds(
  arbitrary: fc.Arbitrary<Arrival[]>,
  runs: number,
  check: (arrivals: Arrival[]) => Promise<void>,
): Promise<void> {
  return fc.assert(fc.asyncProperty(arbitrary, check), { numRuns: runs, endOnFailure: true });
}

/** Arrivals that several tests share, with what each request gives alone: that is most of the work. */
export class SharedArrivals {
  private constructor(
    readonly seed: number,
    readonly draws: readonly { readonly arrivals: Arrival[]; readonly alone: Outcome[] }[],
  ) {}

  /** @param seed to repeat a failure, which tells it */
  static async draw(
    arbitrary: fc.Arbitrary<Arrival[]>,
    runs: number,
    model: TestGenerator,
    seed = Math.floor(Math.random() * 2 ** 31),
  ): Promise<SharedArrivals> {
    const draws: { arrivals: Arrival[]; alone: Outcome[] }[] = [];
    for (const drawn of fc.sample(arbitrary, { numRuns: runs, seed }))
      draws.push({ arrivals: drawn, alone: await model.runEachAlone(drawn) });
    return new SharedArrivals(seed, draws);
  }

  async compare(
    model: TestGenerator,
    check: (actual: readonly Outcome[], alone: readonly Outcome[]) => void,
  ): Promise<void> {
    for (const [i, { arrivals: drawn, alone }] of this.draws.entries()) {
      const actual = await model.runAll(drawn);
      try {
        check(actual, alone);
      } catch (error) {
        throw new Error(`draw ${i} of seed ${this.seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  }
}
