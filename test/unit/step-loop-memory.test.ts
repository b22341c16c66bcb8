import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StepLoop, type StepLoopContext } from '../../src/engine/generation/step-loop.js';
import type { Priority } from '../../src/engine/types.js';
import { Recorder } from './helpers/recorder.js';
import { ScriptedModel, type Script, type TokenCache } from './helpers/scripted-model.js';
import { sequenceOf } from './helpers/sequences.js';
import { alone, LIMITS, untilIdle, type Options } from './helpers/step-loops.js';

const MESSAGES = [
  'std::bad_alloc',
  'Failed to allocate memory for requested buffer of size 1048576',
  'Array buffer allocation failed',
  'VK_ERROR_OUT_OF_DEVICE_MEMORY',
];

function loopOf(script: Script, context: StepLoopContext = {}) {
  const model = new ScriptedModel(script);
  const loop = new StepLoop<TokenCache>(model, LIMITS, 'instance-1', context);
  const add = (options: Options): Recorder => {
    const recorder = new Recorder();
    loop.add(sequenceOf(options), recorder);
    return recorder;
  };
  return { model, loop, add };
}

/** There is memory for passes of so many tokens. */
function memoryFor(tokens: number, message = MESSAGES[0]): NonNullable<Script['during']> {
  return (pass) => {
    if (pass.reduce((sum, row) => sum + row.tokens.length, 0) > tokens) throw new Error(message);
  };
}

describe('a pass that there is no memory for', () => {
  it('is run in smaller ones, down to a token: no request notices, whatever runs short and when', async () => {
    const request = fc.record({
      promptTokens: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 20 }),
      maxTokens: fc.integer({ min: 1, max: 12 }),
      priority: fc.constantFrom<Priority[]>('interactive', 'background'),
    });
    const scene = fc.record({
      requests: fc.array(request, { minLength: 1, maxLength: 12 }),
      // memory for so many tokens, changing with the passes
      memory: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 10 }),
      message: fc.constantFrom(...MESSAGES),
      blocks: fc.integer({ min: 12, max: 60 }),
    });
    await fc.assert(
      fc.asyncProperty(scene, async ({ requests, memory, message, blocks }) => {
        let passes = 0;
        const { model, loop, add } = loopOf(
          {
            blocks,
            during: (rows, number) =>
              memoryFor(memory[passes++ % memory.length] as number, message)(rows, number),
          },
          { contextLength: 32 },
        );
        const all = requests.map((options, i) => ({ id: i + 1, ...options }));
        const recorders = all.map((options) => add(options));
        await untilIdle(loop);
        for (const [i, recorder] of recorders.entries()) {
          expect(recorder.failures).toEqual([]);
          expect(textOf(recorder)).toEqual(textOf(await alone(all[i] as Options)));
        }
        expect(model.refusals).toEqual([]);
        expect(model.opened.size).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('fails a request only where not even one token can be run, and says what to do', async () => {
    const { model, add } = loopOf({
      during: (rows) => {
        if (rows.some(({ cache }) => cache.tokens[0] === 1 && cache.length >= 4))
          throw new Error(MESSAGES[0]);
      },
    });
    const failing = add({ id: 1, promptTokens: [1, 1, 1], maxTokens: 9 });
    const other = add({ id: 2, promptTokens: [2, 2, 2], maxTokens: 9 });
    await Promise.all([failing.ended, other.ended]);
    expect(failing.failures).toMatchObject([{ code: 'out_of_memory' }]);
    expect(failing.failures[0]?.message).toMatch(
      /^There is not enough memory for this request: std::bad_alloc\. Send/,
    );
    expect(textOf(other)).toEqual(textOf(await alone({ id: 2, promptTokens: [2, 2, 2], maxTokens: 9 })));
    expect(model.opened.size).toBe(0);
  });

  it('leaves the cache as it is from then on, until enough passes went well', async () => {
    let tokens = 2;
    const limits: number[] = [];
    const { model, loop, add } = loopOf(
      { blocks: 64, during: (rows, number) => memoryFor(tokens)(rows, number) },
      { contextLength: 16 },
    );
    const limitBlocks = model.limitBlocks.bind(model);
    model.limitBlocks = (blocks) => (limits.push(blocks), limitBlocks(blocks));
    const run = async (id: number): Promise<void> => {
      for (let i = 0; i < 6; i++) add({ id: id + i, promptTokens: [i], maxTokens: 12 });
      await untilIdle(loop);
    };
    await run(1);
    // six sequences held a block each: four are what one of the whole context takes
    expect(limits[0]).toBeLessThanOrEqual(6);
    expect(Math.min(...limits)).toBeGreaterThanOrEqual(4);
    tokens = 1000;
    for (let i = 1; i < 400 && limits.at(-1) !== 64; i++) await run(i * 10);
    expect(limits.at(-1)).toBe(64);
    const rising = limits.slice(limits.indexOf(Math.min(...limits)));
    expect(rising).toEqual(rising.toSorted((a, b) => a - b));
  });
});

describe('the condition of a model', () => {
  it('is degraded when memory ran short again, and well when all of it can be used', async () => {
    const conditions: (string | undefined)[] = [];
    let tokens = Infinity;
    const { loop, add } = loopOf(
      { blocks: 40, during: (rows, number) => memoryFor(tokens)(rows, number) },
      { contextLength: 16, onCondition: (degraded) => conditions.push(degraded) },
    );
    const run = async (id: number, during: number): Promise<void> => {
      tokens = during;
      for (let i = 0; i < 4; i++) add({ id: id + i, promptTokens: [i], maxTokens: 10 });
      await untilIdle(loop);
    };
    await run(1, Infinity);
    expect(conditions).toEqual([]);
    await run(11, 2);
    expect(conditions.at(-1)).toMatch(
      /^Memory ran short \d+ times: at most \d of 8 sequences run at once, and the KV cache holds \d+ of 160 tokens\. Give/,
    );
    const said = conditions.length;
    for (let i = 2; i < 400 && conditions.length === said; i++) await run(i * 11, Infinity);
    expect(conditions.slice(said)).toEqual([undefined]);
  });

  it('is not degraded by one shortage', async () => {
    const conditions: unknown[] = [];
    let failed = false;
    const { loop, add } = loopOf(
      {
        during: (rows) => {
          if (failed || rows.length < 2) return;
          failed = true;
          throw new Error(MESSAGES[0]);
        },
      },
      { onCondition: (degraded) => conditions.push(degraded) },
    );
    for (let i = 0; i < 4; i++) add({ id: i + 1, promptTokens: [i], maxTokens: 10 });
    await untilIdle(loop);
    expect(failed).toBe(true);
    expect(conditions).toEqual([]);
  });
});

it('a lost device is told at once', async () => {
  const fatal: string[] = [];
  const { add } = loopOf(
    {
      during: () => {
        throw new Error('[Device "main"] is lost.');
      },
    },
    { onFatal: (reason) => fatal.push(reason) },
  );
  await add({ id: 1 }).ended;
  expect(fatal[0]).toBe(
    'The device was lost, or has no memory left ([Device "main"] is lost): the engine ends, to be started again.',
  );
});

function textOf({ events }: Recorder): unknown[] {
  return events.filter(({ type }) => type !== 'start');
}
