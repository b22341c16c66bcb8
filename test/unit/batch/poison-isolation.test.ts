import { setMaxListeners } from 'node:events';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PoisonError, PoisonIsolation } from '../../../src/batch/execution/poison-isolation.js';
import { harmlessRequest } from '../../../src/batch/execution/harmless-request.js';
import { EngineDeadError, GenerationError, ResidentError } from '../../../src/engine/errors.js';
import { ScriptedModels } from './helpers/scripted-models.js';

const ALIVE = new AbortController().signal;
setMaxListeners(0, ALIVE);

function isolationOver(models: ScriptedModels) {
  const provider = models.asProvider();
  const isolation = new PoisonIsolation((model) => harmlessRequest(provider, model));
  const run = (name: string, signal = ALIVE) =>
    isolation.run({
      model: 'fake',
      signal,
      run: async () => {
        await provider.complete({ prompt: { kind: 'text', text: name } }, { signal });
        return { body: { name }, facts: undefined };
      },
    });
  return { isolation, run };
}

/** How each of them ended. */
async function endsOf(names: readonly string[], run: (name: string) => Promise<unknown>): Promise<string[]> {
  const ends = await Promise.allSettled(names.map((name) => run(name)));
  return ends.map((end) =>
    end.status === 'fulfilled'
      ? 'answered'
      : end.reason instanceof PoisonError
        ? 'poison'
        : String(end.reason),
  );
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `line-${i}`);

describe('lines that end the engine', () => {
  it('are found out among any others, each of which is answered once; the engine dies no more often than it must', async () => {
    const cases = fc
      .integer({ min: 1, max: 64 })
      .chain((count) =>
        fc.record({ count: fc.constant(count), poison: fc.subarray(names(count), { minLength: 1 }) }),
      );
    await fc.assert(
      fc.asyncProperty(cases, async ({ count, poison }) => {
        const models = new ScriptedModels();
        models.fate = (name) => ({ kind: poison.includes(name) ? 'kills' : 'answers' });
        const { run } = isolationOver(models);
        const ends = await endsOf(names(count), run);
        expect(ends).toEqual(names(count).map((name) => (poison.includes(name) ? 'poison' : 'answered')));
        const mostDeaths = 1 + poison.length * (Math.ceil(Math.log2(count)) + 2);
        expect(models.deaths).toBeLessThanOrEqual(mostDeaths);
        // the supervisor gives up after five
        expect(models.worstStreak).toBeLessThanOrEqual(2);
      }),
      { numRuns: 200 },
    );
  });

  it('run alone when they are suspected alone: nothing else of this process is in flight', async () => {
    const models = new ScriptedModels();
    let others = 0;
    models.fate = (name) => ({ kind: name === 'poison' ? 'kills' : 'answers', afterMs: 1 });
    const { run } = isolationOver(models);
    const late: Promise<unknown>[] = [];
    const first = run('poison');
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      late.push(run(`late-${i}`).then(() => others++));
    }
    await expect(first).rejects.toBeInstanceOf(PoisonError);
    await Promise.all(late);
    expect(others).toBe(20);
    expect(models.deaths).toBeLessThanOrEqual(8);
  });
});

describe('an engine that somebody else ended', () => {
  it('costs no line', async () => {
    const models = new ScriptedModels();
    models.fate = () => ({ kind: 'answers', afterMs: 5 });
    const { run } = isolationOver(models);
    const ends = endsOf(names(32), run);
    setTimeout(() => models.die(), 3);
    expect(await ends).toEqual(names(32).map(() => 'answered'));
    expect(models.deaths).toBe(1);
  });

  it('that dies of anything is not the fault of the lines', async () => {
    const models = new ScriptedModels();
    models.fate = () => ({ kind: 'kills' });
    const { run } = isolationOver(models);
    const ends = await Promise.allSettled(names(4).map((name) => run(name)));
    for (const end of ends)
      expect(end).toMatchObject({ status: 'rejected', reason: { code: 'engine_failed' } });
    expect(models.deaths).toBe(4);
  });

  it('that can not be had any more fails its suspects with the reason', async () => {
    const models = new ScriptedModels();
    models.fate = () => ({ kind: 'kills' });
    models.whenLoaded = () => Promise.reject(new ResidentError('engine_failed', 'gone for good'));
    const { run } = isolationOver(models);
    await expect(run('a')).rejects.toMatchObject({ code: 'engine_failed', message: 'gone for good' });
  });
});

describe('suspects', () => {
  it('that fail for a reason of their own are told it', async () => {
    const models = new ScriptedModels();
    let runs = 0;
    models.fate = (name) => {
      if (name === 'poison') return { kind: 'kills' };
      if (name === 'weak' && ++runs > 1)
        return { kind: 'fails', error: new GenerationError('out of memory') };
      return { kind: 'answers', afterMs: 1 };
    };
    const { run } = isolationOver(models);
    expect(await Promise.allSettled([run('weak'), run('poison')])).toMatchObject([
      { reason: { code: 'generation_failed' } },
      { reason: { code: 'engine_restarted' } },
    ]);
  });

  it('whose caller gives up are let go at once', async () => {
    const models = new ScriptedModels();
    const giveUp = new AbortController();
    models.whenLoaded = () => new Promise(() => undefined);
    models.fate = () => ({ kind: 'kills' });
    const { run } = isolationOver(models);
    const waiting = run('a', giveUp.signal);
    const behind = new Promise((resolve) => setTimeout(resolve, 10)).then(() => run('b', giveUp.signal));
    setTimeout(() => giveUp.abort(), 20);
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    await expect(behind).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('are no business of an attempt that fails in another way', async () => {
    const { isolation } = isolationOver(new ScriptedModels());
    const failing = { model: 'fake', signal: ALIVE, run: () => Promise.reject(new GenerationError('no')) };
    await expect(isolation.run(failing)).rejects.toMatchObject({ code: 'generation_failed' });
    await expect(isolation.run(failing)).rejects.not.toBeInstanceOf(EngineDeadError);
  });
});
