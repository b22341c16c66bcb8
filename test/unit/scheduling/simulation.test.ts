import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sum } from './situations.js';
import { DEFAULT_LIMITS } from '../../../src/engine/loading/limits.js';
import { Simulation, type Arrival, type Simulated } from './simulation.js';

const arrivals = fc.array(
  fc.record<Arrival>({
    at: fc.nat(120),
    priority: fc.constantFrom('interactive', 'background'),
    client: fc.constantFrom('a', 'b', 'c'),
    prompt: fc.integer({ min: 1, max: 40 }),
    completion: fc.integer({ min: 1, max: 40 }),
  }),
  { minLength: 1, maxLength: 40, size: 'max' },
);

const limits = fc
  .record({
    interactiveRows: fc.integer({ min: 1, max: 8 }),
    backgroundRows: fc.nat(4),
    prefillChunk: fc.integer({ min: 1, max: 16 }),
    backgroundChunk: fc.integer({ min: 1, max: 8 }),
    backgroundPassMs: fc.constant(15),
    stepTokens: fc.integer({ min: 1, max: 32 }),
  })
  .map(({ interactiveRows, ...rest }) => ({ ...rest, maxRows: interactiveRows + rest.backgroundRows }));

/** Room for the longest of these alone, and a little more. */
function blocksOf(some: readonly Arrival[], blockTokens: number, spare: number): number {
  return Math.max(...some.map((each) => Math.ceil((each.prompt + each.completion) / blockTokens))) + spare;
}

/** One after the other. */
function stream(count: number, every: number, each: Omit<Arrival, 'at'>): Arrival[] {
  return Array.from({ length: count }, (_, i) => ({ at: Math.floor(i * every), ...each }));
}

const SERVER = DEFAULT_LIMITS;
const PERSON = { priority: 'interactive', client: 'person' } as const;
const BATCH = { priority: 'background', client: 'batch' } as const;

function ofClient({ ended, active }: Simulation, name: string): Simulated {
  return [...ended, ...active].find(({ client }) => client === name) as Simulated;
}

describe('any mix of sequences', () => {
  it('comes to its end in a cache that only one fits into: no deadlock, no idle step, little run again', () => {
    const options = { limits, blockTokens: fc.integer({ min: 1, max: 8 }), spare: fc.nat(20) };
    fc.assert(
      fc.property(arrivals, fc.record(options), (some, { spare, ...rest }) => {
        const simulation = new Simulation({ ...rest, blocks: blocksOf(some, rest.blockTokens, spare) }, some);
        // each of the last tokens is not run
        const work = sum(some.map(({ prompt, completion }) => prompt + completion - 1));
        simulation.run(121 + 3 * work);
        expect(simulation.done).toBe(true);
        expect(simulation.idleSteps).toBe(0);
        expect(sum(simulation.ended.map(({ ran }) => ran))).toBeLessThanOrEqual(3 * work);
      }),
      { numRuns: 500 },
    );
  });

  it('is run once only where the cache holds all of it', () => {
    fc.assert(
      fc.property(arrivals, limits, (some, rows) => {
        const blocks = sum(some.map(({ prompt, completion }) => prompt + completion)) + some.length;
        const simulation = new Simulation({ limits: rows, blockTokens: 1, blocks }, some).run(10_000);
        expect(simulation.done).toBe(true);
        for (const { ran, length } of simulation.ended) expect(ran).toBe(length - 1);
      }),
      { numRuns: 200 },
    );
  });
});

/** Steps that a prompt and those before it take if each has one piece in every fourth step. */
function fourthSteps(prompts: readonly number[], chunk = SERVER.prefillChunk): number {
  return 4 * sum(prompts.map((prompt) => Math.ceil(prompt / chunk)));
}

describe('a background sequence', () => {
  it('goes on while interactive prompts come in every step', () => {
    const traffic = fc.record({
      every: fc.double({ min: 0.5, max: 3, noNaN: true }),
      prompt: fc.integer({ min: 1, max: 300 }),
      completion: fc.integer({ min: 1, max: 20 }),
      at: fc.integer({ min: 0, max: 50 }),
    });
    fc.assert(
      fc.property(traffic, ({ every, at, ...each }) => {
        const work = { at, ...BATCH, prompt: 300, completion: 10 };
        const before = Math.ceil((at + 1) / every);
        const prompts = Array.from({ length: before }, () => each.prompt);
        const most = fourthSteps(prompts) + fourthSteps([300], SERVER.backgroundChunk) + 10;
        const people = stream(Math.ceil((at + most) / every), every, { ...PERSON, ...each });
        const simulation = new Simulation({ limits: SERVER, blockTokens: 32, blocks: 5000 }, [
          work,
          ...people,
        ]);
        simulation.run(at + most + 4);
        expect(simulation.ended.some(({ client }) => client === 'batch')).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it('keeps only its own rows while interactive ones wait, and has all when none do', () => {
    const options = { limits: { ...SERVER, maxRows: 4 }, blockTokens: 32, blocks: 1000 };
    const batch = stream(8, 0, { ...BATCH, prompt: 10, completion: 400 });
    const people = stream(20, 0, { ...PERSON, prompt: 10, completion: 50 }).map((each) => ({
      ...each,
      at: 10,
    }));
    const simulation = new Simulation(options, [...batch, ...people]);
    const rows = (): string => {
      const clients = simulation.active.flatMap(({ running, client }) => (running ? [client] : []));
      return clients.toSorted().join(' ');
    };
    simulation.run(5);
    expect(rows()).toBe('batch batch batch batch');
    simulation.run(20);
    expect(rows()).toBe('batch person person person');
    simulation.run(600);
    expect(rows()).toBe('batch batch batch batch');
    // parked, not evicted: nothing was run twice
    for (const { ran, tokens } of simulation.run(10_000).ended) expect(ran).toBe(tokens - 1);
  });
});

describe('an interactive sequence', () => {
  it('of a long prompt is not starved by short ones', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.3, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 128 }),
        (every, prompt) => {
          const long = { at: 3, ...PERSON, client: 'long', prompt: 2000, completion: 1 };
          const before = Array.from({ length: Math.ceil(4 / every) }, () => prompt);
          const most = fourthSteps([2000, ...before]);
          const short = stream(Math.ceil((most + 10) / every), every, { ...PERSON, prompt, completion: 1 });
          const simulation = new Simulation({ limits: SERVER, blockTokens: 32, blocks: 5000 }, [
            long,
            ...short,
          ]);
          simulation.run(most + 8);
          expect(ofClient(simulation, 'long').firstAt).toBeGreaterThan(0);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('that needs the whole cache gets it, however much background work comes', () => {
    const whole = { at: 50, ...PERSON, prompt: 1250, completion: 20 };
    const batch = stream(400, 5, { ...BATCH, prompt: 100, completion: 30 });
    const limit = { ...SERVER, backgroundRows: 3 };
    const simulation = new Simulation({ limits: limit, blockTokens: 32, blocks: 40 }, [whole, ...batch]);
    // at once: ten pieces
    expect(ofClient(simulation.run(80), 'person').firstAt).toBe(59);
  });

  it('that needs much of the cache is not overtaken for ever by others that need little', () => {
    const large = { at: 50, ...PERSON, client: 'large', prompt: 1000, completion: 20 };
    const small = stream(400, 5, { ...PERSON, prompt: 100, completion: 60 });
    const simulation = new Simulation({ limits: SERVER, blockTokens: 32, blocks: 40 }, [large, ...small]);
    // those that have rows end first, and nobody comes after them
    expect(ofClient(simulation.run(400), 'large').firstAt).toBeLessThan(50 + 2 * 60 + 40);
  });

  it('waits for one row, not for all that another client has sent', () => {
    const flood = stream(500, 0, { ...PERSON, client: 'flood', prompt: 20, completion: 40 });
    const one = { at: 100, ...PERSON, client: 'one', prompt: 20, completion: 40 };
    const options = { limits: { ...SERVER, maxRows: 4 }, blockTokens: 32, blocks: 1000 };
    const simulation = new Simulation(options, [...flood, one]).run(300);
    expect(ofClient(simulation, 'one').firstAt).toBeLessThan(100 + 45);
  });
});
