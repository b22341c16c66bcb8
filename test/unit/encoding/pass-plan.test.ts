import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPass, type PassBudget, type WaitingRequest } from '../../../src/engine/encoding/pass-plan.js';

const BUDGET: PassBudget = { tokens: 64, backgroundTokens: 32, backgroundTurn: false };

const requests = fc
  .array(
    fc.record({
      priority: fc.constantFrom('interactive' as const, 'background' as const),
      client: fc.constantFrom('', 'a', 'b'),
      lengths: fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 12 }),
    }),
    { maxLength: 12 },
  )
  .map((all) => all.map(({ lengths, ...rest }, id) => waiting(id, lengths, rest)));

function waiting(
  id: number,
  lengths: readonly number[],
  { priority = 'interactive', client = '' }: Partial<Pick<WaitingRequest, 'priority' | 'client'>> = {},
): WaitingRequest {
  return { id, priority, client, waiting: lengths.map((length, index) => ({ index, length })) };
}

/** What is left after a pass. */
function without(all: readonly WaitingRequest[], pass: readonly { request: number; index: number }[]) {
  const run = new Set(pass.map(({ request, index }) => `${request}/${index}`));
  return all.map((request) => ({
    ...request,
    waiting: request.waiting.filter(({ index }) => !run.has(`${request.id}/${index}`)),
  }));
}

function padded(pass: readonly { length: number }[]): number {
  return pass.length * Math.max(...pass.map(({ length }) => length));
}

/** Passes until nothing waits. */
function runAll(all: readonly WaitingRequest[], budget = BUDGET) {
  const passes = [];
  for (let left = all; ;) {
    const pass = planPass(left, budget);
    if (pass.length === 0) return passes;
    passes.push(pass);
    left = without(left, pass);
  }
}

describe('a plan', () => {
  it('runs each input exactly once, in the end', () => {
    fc.assert(
      fc.property(requests, fc.boolean(), (all, backgroundTurn) => {
        const run = runAll(all, { ...BUDGET, backgroundTurn }).flat();
        const expected = all.flatMap(({ id, waiting: inputs }) =>
          inputs.map((input) => ({ request: id, ...input })),
        );
        expect(run).toHaveLength(expected.length);
        expect(new Set(run.map((input) => JSON.stringify(input)))).toEqual(
          new Set(expected.map(({ request, index, length }) => JSON.stringify({ request, index, length }))),
        );
      }),
    );
  });

  it('keeps the budget, unless a pass is a single input', () => {
    fc.assert(
      fc.property(requests, (all) => {
        for (const pass of runAll(all)) {
          const background = all.find(({ id }) => id === pass[0]?.request)?.priority === 'background';
          const { tokens, backgroundTokens } = BUDGET;
          const budget = background ? backgroundTokens : tokens;
          expect(pass.length === 1 || padded(pass) <= budget).toBe(true);
        }
      }),
    );
  });

  it('never mixes priorities, and puts interactive inputs first', () => {
    fc.assert(
      fc.property(requests, (all) => {
        const priorityOf = (id: number) => all.find((request) => request.id === id)?.priority;
        const priorities = runAll(all).map((pass) => new Set(pass.map(({ request }) => priorityOf(request))));
        for (const some of priorities) expect(some.size).toBe(1);
        const order = priorities.map(([priority]) => priority);
        expect(order).toEqual(order.toSorted((a, b) => (a === b ? 0 : a === 'interactive' ? -1 : 1)));
      }),
    );
  });

  it('holds the oldest request of a priority', () => {
    fc.assert(
      fc.property(requests, (all) => {
        const oldest = all.find(({ priority, waiting: w }) => priority === 'interactive' && w.length > 0);
        fc.pre(oldest !== undefined);
        expect(planPass(all, BUDGET).map(({ request }) => request)).toContain(oldest?.id);
      }),
    );
  });

  it('comes with the shortest first', () => {
    fc.assert(
      fc.property(requests, (all) => {
        const lengths = planPass(all, BUDGET).map(({ length }) => length);
        expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
      }),
    );
  });
});

it('gives the background a turn', () => {
  const all = [waiting(1, [4]), waiting(2, [5], { priority: 'background' })];
  expect(planPass(all, BUDGET)).toEqual([{ request: 1, index: 0, length: 4 }]);
  expect(planPass(all, { ...BUDGET, backgroundTurn: true })).toEqual([{ request: 2, index: 0, length: 5 }]);
});

it('runs what is of similar length together', () => {
  const pass = planPass([waiting(1, [4, 60, 5, 50, 4, 6])], { ...BUDGET, tokens: 1000 });
  expect(pass.map(({ length }) => length)).toEqual([4, 4, 5, 6]);
});

it("doesn't let a long list of inputs hold up a short one, of the same client or another", () => {
  for (const client of ['', 'other']) {
    const all = [waiting(1, Array<number>(100).fill(16)), waiting(2, [16], { client })];
    expect(planPass(all, BUDGET).map(({ request }) => request)).toContain(2);
  }
});

it('divides a pass evenly among clients, however many requests they have', () => {
  const busy = Array.from({ length: 6 }, (_, i) => waiting(i, [16], { client: 'busy' }));
  const pass = planPass([...busy, waiting(9, [16, 16], { client: 'other' })], BUDGET);
  expect(pass.filter(({ request }) => request === 9)).toHaveLength(2);
});

it('plans a very long backlog quickly', () => {
  const all = Array.from({ length: 200 }, (_, id) => waiting(id, Array<number>(500).fill(8)));
  const before = performance.now();
  planPass(all, { ...BUDGET, tokens: 2048 });
  expect(performance.now() - before).toBeLessThan(500);
});
