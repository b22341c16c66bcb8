import { describe, expect, it } from 'vitest';
import { StepLoop } from '../../src/engine/generation/step-loop.js';
import { Recorder } from './helpers/recorder.js';
import { ScriptedModel, type Script } from './helpers/scripted-model.js';
import { sequenceOf } from './helpers/sequences.js';
import { alone, LIMITS, loopOf, rowsOf, type Options } from './helpers/step-loops.js';

const LONG = Array.from({ length: 8 }, (_, i): Options => ({ id: i + 1, promptTokens: [i], maxTokens: 20 }));

/** There is memory for passes of so many rows. */
function memoryFor(rows: number): Script {
  return {
    during: (pass) => {
      if (pass.length > rows) throw new Error('out of memory');
    },
  };
}

async function expectAsAlone(recorders: readonly Recorder[], options: readonly Options[]): Promise<void> {
  for (const [i, recorder] of recorders.entries()) {
    await recorder.ended;
    expect(recorder.events).toEqual((await alone(options[i] as Options)).events);
  }
}

describe('a pass that fails', () => {
  it('fails its sequence with what went wrong, and only that one', async () => {
    const { model, add } = loopOf({
      during: (rows) => {
        if (rows.some(({ cache }) => cache.tokens[0] === 1 && cache.length === 4)) throw new Error('bad row');
      },
    });
    const failing = add({ id: 1, promptTokens: [1, 1, 1], maxTokens: 5 });
    const options = { id: 2, promptTokens: [2, 2, 2] };
    const other = add(options);
    await Promise.all([failing.ended, other.ended]);
    expect(failing.types).toEqual(['start', 'token', 'token']);
    expect(failing.failures).toMatchObject([
      { code: 'generation_failed', message: 'The model failed on this request: bad row' },
    ]);
    expect(other.events).toEqual((await alone(options)).events);
    // the prompt, two tokens, and the second of them once more by itself
    expect(rowsOf(model).filter((sequence) => sequence === 1)).toHaveLength(4);
    expect(model.opened.size).toBe(0);
  });

  it('fails its sequence also when only its logits are wrong', async () => {
    const model = new ScriptedModel();
    const forward = model.forward.bind(model);
    model.forward = async (rows) => (await forward(rows)).map((logits) => logits.fill(NaN));
    const recorder = new Recorder();
    new StepLoop(model, LIMITS, 'instance-1').add(sequenceOf({ id: 1 }), recorder);
    await recorder.ended;
    expect(recorder.failures).toMatchObject([{ code: 'generation_failed' }]);
    expect(recorder.events).toEqual([]);
    expect(model.opened.size).toBe(0);
  });

  it('fails its sequence also when it fails with nothing', async () => {
    const { add } = loopOf({ during: () => Promise.reject() });
    const recorder = add({ id: 1 });
    await recorder.ended;
    expect(recorder.failures).toMatchObject([{ code: 'generation_failed' }]);
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

describe('a pass that there is no memory for', () => {
  it.each([1, 2, 3, 5])('is run in parts, and nothing fails (memory for %i rows)', async (rows) => {
    const { model, add } = loopOf(memoryFor(rows));
    await expectAsAlone(
      LONG.map((options) => add(options)),
      LONG,
    );
    expect(model.opened.size).toBe(0);
  });

  it('is not tried again and again', async () => {
    const { model, add } = loopOf(memoryFor(4));
    await Promise.all(LONG.map((options) => add(options).ended));
    const failed = model.widths.indexOf(8);
    expect(model.widths.slice(failed + 1).filter((width) => width > 4)).toEqual([]);
    // then its halves, each row once
    expect(model.widths.slice(failed, failed + 3)).toEqual([8, 4, 4]);
    const before = model.widths.slice(0, failed + 1).reduce((a, b) => a + b, 0);
    expect(new Set(rowsOf(model).slice(before, before + 8)).size).toBe(8);
  });

  it('makes the loop run fewer rows, and then slowly more', async () => {
    let rows = 2;
    const { model, add } = loopOf({ during: (pass, number) => memoryFor(rows).during?.(pass, number) });
    const run = (count: number): Promise<unknown> => {
      const options = LONG.map((each, i) => ({ ...each, id: model.calls.length + i + 1, maxTokens: count }));
      return Promise.all(options.map((each) => add(each).ended));
    };
    await run(10);
    expect(Math.max(...model.widths.slice(-20))).toBe(2);
    rows = 8;
    await run(10);
    // 64 passes for one more row
    expect(Math.max(...model.widths.slice(-40))).toBeLessThan(5);
    for (let i = 0; i < 10; i++) await run(20);
    expect(Math.max(...model.widths.slice(-20))).toBe(8);
  });

  it('leaves background sequences their rows', async () => {
    const { model, add } = loopOf(memoryFor(1), { backgroundRows: 2 });
    const options = LONG.map(
      (each, i) => ({ ...each, priority: i < 4 ? 'background' : 'interactive' }) as const,
    );
    await expectAsAlone(
      options.map((each) => add(each)),
      options,
    );
    expect(model.opened.size).toBe(0);
  });
});
