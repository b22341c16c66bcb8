import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  pending,
  type BackgroundShare,
  type Limits,
  type Scheduled,
} from '../../../src/engine/scheduling/scheduled.js';
import { planStep, type StepPlan } from '../../../src/engine/scheduling/step-plan.js';
import { situations, sum } from './situations.js';

const steps = fc.nat(100);

interface Planned {
  readonly running: readonly Scheduled[];
  readonly limits: Limits;
  readonly number: number;
  readonly plan: StepPlan;
  readonly decoding: readonly Scheduled[];
  /** By arrival. */
  readonly prompts: readonly Scheduled[];
}

function expectOfAll(check: (planned: Planned) => void): void {
  fc.assert(
    fc.property(situations, steps, ({ sequences, limits }, number) => {
      const running = sequences.filter((each) => each.running);
      const decodes = (each: Scheduled): boolean => pending(each) === 1 && each.cached > 0;
      const prompts = running.filter((each) => !decodes(each)).toSorted((a, b) => a.id - b.id);
      const plan = planStep(running, limits, number);
      check({ running, limits, number, plan, decoding: running.filter(decodes), prompts });
    }),
    { numRuns: 2000 },
  );
}

const LIMITS: Limits = {
  maxRows: 9,
  backgroundRows: 1,
  prefillChunk: 100,
  backgroundChunk: 64,
  backgroundPassMs: 20,
  stepTokens: 1000,
};

function promptOf(id: number, tokens: number, options: Partial<Scheduled> = {}): Scheduled {
  return { id, priority: 'interactive', client: '', running: true, tokens, cached: 0, blocks: 0, ...options };
}

function order(prompts: readonly Scheduled[], number: number, limits: Partial<Limits> = {}): number[] {
  return planStep(prompts, { ...LIMITS, ...limits }, number).prefill.map(({ id }) => id);
}

describe('planStep', () => {
  it('runs one token of every sequence that decodes', () => {
    expectOfAll(({ plan, decoding }) => {
      expect(plan.decode).toEqual(decoding.map(({ id }) => ({ id, count: 1 })));
    });
  });

  it('runs of a prompt the chunk or what is left of it, whatever runs beside it', () => {
    expectOfAll(({ plan, prompts, limits }) => {
      for (const { id, count } of plan.prefill) {
        const prompt = prompts.find((each) => each.id === id) as Scheduled;
        const chunk = prompt.priority === 'background' ? limits.backgroundChunk : limits.prefillChunk;
        expect(count).toBe(Math.min(pending(prompt), limits.prefillChunk, chunk));
      }
      expect(new Set(plan.prefill.map(({ id }) => id)).size).toBe(plan.prefill.length);
    });
  });

  it('runs a piece of a prompt in every step that has one, and keeps to the tokens of a step beyond the first', () => {
    expectOfAll(({ plan, prompts, decoding, limits }) => {
      expect(plan.prefill.length > 0).toBe(prompts.length > 0);
      if (plan.prefill.length < 2) return;
      const tokens = sum(plan.prefill.map(({ count }) => count)) + decoding.length;
      expect(tokens).toBeLessThanOrEqual(limits.stepTokens);
    });
  });

  it('runs as many pieces as there is room for', () => {
    expectOfAll(({ plan, prompts, decoding, limits, number }) => {
      const interactive = prompts.filter(({ priority }) => priority === 'interactive');
      const all = limits.stepTokens - decoding.length;
      const most = interactive.length > 0 ? all : Math.min(all, limits.prefillChunk);
      const left = most - sum(plan.prefill.map(({ count }) => count));
      const candidates = interactive.length > 0 ? interactive : prompts;
      const chosen = new Set(plan.prefill.map(({ id }) => id));
      const next = candidates
        .filter(({ id }) => !chosen.has(id))
        .toSorted((a, b) => pending(a) - pending(b) || a.id - b.id)[0];
      if (!next) return;
      const chunk = interactive.length > 0 ? limits.prefillChunk : limits.backgroundChunk;
      expect(Math.min(pending(next), limits.prefillChunk, chunk), `step ${number}`).toBeGreaterThan(left);
    });
  });

  it('runs interactive prompts before background ones, but for the oldest of all in every fourth step', () => {
    expectOfAll(({ plan, prompts, number }) => {
      if (prompts.every(({ priority }) => priority === 'background')) return;
      const background = plan.prefill.filter(({ id }) =>
        prompts.some((each) => each.id === id && each.priority === 'background'),
      );
      const oldest = prompts[0] as Scheduled;
      const due = number % 4 === 0 && oldest.priority === 'background';
      expect(background.map(({ id }) => id)).toEqual(due ? [oldest.id] : []);
    });
  });

  it('runs the shortest first, of equals the oldest, and in every fourth step the oldest before them', () => {
    expectOfAll(({ plan, prompts, number }) => {
      const chosen = plan.prefill.map(({ id }) => prompts.find((each) => each.id === id) as Scheduled);
      const first = number % 4 === 0 ? prompts.slice(0, 1) : [];
      const rest = chosen.slice(first.length);
      expect(chosen).toEqual([...first, ...rest.toSorted((a, b) => pending(a) - pending(b) || a.id - b.id)]);
    });
  });

  it('has nothing where nothing runs', () => {
    expect(order([], 0)).toEqual([]);
  });

  it('goes by what is left of a prompt, not by how long it is', () => {
    const prompts = [promptOf(1, 50), promptOf(2, 500, { cached: 470, blocks: 1 }), promptOf(3, 40)];
    expect(order(prompts, 1)).toEqual([2, 3, 1]);
    expect(order(prompts, 4)).toEqual([1, 2, 3]);
  });

  it('keeps to the tokens of a step also behind the oldest', () => {
    const prompts = [promptOf(1, 60), promptOf(2, 10), promptOf(3, 20)];
    expect(order(prompts, 4, { stepTokens: 65 })).toEqual([1]);
    expect(order(prompts, 1, { stepTokens: 65 })).toEqual([2, 3]);
  });

  it('runs background prompts in small pieces, together no more of them than one interactive piece', () => {
    const limits = { ...LIMITS, prefillChunk: 100, backgroundChunk: 40 };
    const batch = [1, 2, 3, 4].map((id) => promptOf(id, 30 * id, { priority: 'background' }));
    const pieces = (share?: BackgroundShare) => planStep(batch, limits, 1, share).prefill;
    expect(pieces()).toEqual([
      { id: 1, count: 30 },
      { id: 2, count: 40 },
    ]);
    // somebody is about
    expect(pieces({ rows: 1, promptTokens: 0 })).toEqual([{ id: 1, count: 30 }]);
    expect(planStep(batch, { ...limits, prefillChunk: 20 }, 1).prefill).toEqual([{ id: 1, count: 20 }]);
    // the oldest, in a step with others
    expect(planStep([...batch.slice(2), promptOf(5, 300)], limits, 4).prefill).toEqual([
      { id: 3, count: 40 },
      { id: 5, count: 100 },
    ]);
  });

  it('takes a prompt of one token for a prompt, and the last token of one behind a known prefix for a decode', () => {
    const plan = planStep([promptOf(1, 1), promptOf(2, 33, { cached: 32, blocks: 1 })], LIMITS, 1);
    expect(plan).toEqual({ prefill: [{ id: 1, count: 1 }], decode: [{ id: 2, count: 1 }] });
  });
});
