import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SharedKvCache, type SharedRow } from '../../../src/engine/kv/shared-kv-cache.js';

const BLOCK = 4;

function cacheOf(blocks: number, prefixCaching = true): SharedKvCache {
  return new SharedKvCache({ blocks, blockTokens: BLOCK, prefixCaching });
}

/** A row that ran all its tokens. */
function run(cache: SharedKvCache, tokens: readonly number[]): SharedRow {
  const row = cache.open(tokens);
  const rest = tokens.slice(row.length);
  expect(cache.reserve(row, rest.length)).toBe(true);
  cache.commit(row, rest);
  return row;
}

const letters = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));

describe('SharedKvCache', () => {
  it('shares the full blocks of rows that begin alike, while they run and after', () => {
    const cache = cacheOf(8);
    const first = run(cache, letters('aaaabbbbc'));
    const second = cache.open(letters('aaaabbbbddd'));
    expect(second.length).toBe(8);
    expect(second.blocks).toEqual(first.blocks.slice(0, 2));
    cache.close(first);
    cache.close(second);
    expect(cache.available).toBe(8);
    expect(cache.open(letters('aaaabbbbe')).length).toBe(8);
  });

  it('always leaves a token to run', () => {
    const cache = cacheOf(8);
    cache.close(run(cache, letters('aaaabbbb')));
    expect(cache.open(letters('aaaabbbb')).length).toBe(4);
  });

  it('gives rows that fill the same block at the same time one block in the end', () => {
    const cache = cacheOf(4);
    const rows = [cache.open(letters('aaaab')), cache.open(letters('aaaac'))];
    for (const row of rows) expect(cache.reserve(row, 4)).toBe(true);
    for (const row of rows) cache.commit(row, letters('aaaa'));
    expect(rows[0]?.blocks).toEqual(rows[1]?.blocks);
    expect(cache.available).toBe(3);
  });

  it('changes nothing where the room is too little', () => {
    const cache = cacheOf(2);
    const row = run(cache, letters('aaaab'));
    expect(cache.reserve(row, 4)).toBe(false);
    expect(row.blocks).toHaveLength(2);
    expect(cache.reserve(row, 3)).toBe(true);
  });

  it('shares nothing without prefix caching', () => {
    const cache = cacheOf(4, false);
    run(cache, letters('aaaab'));
    expect(cache.open(letters('aaaab')).length).toBe(0);
  });

  it('refuses rows that are closed, and tokens that have no room', () => {
    const cache = cacheOf(2);
    const row = cache.open([1, 2]);
    expect(() => cache.commit(row, [1])).toThrow(RangeError);
    cache.close(row);
    expect(() => cache.reserve(row, 1)).toThrow('not open');
    expect(() => cacheOf(0)).toThrow(RangeError);
  });
});

type Step =
  | { readonly kind: 'open'; readonly tokens: readonly number[] }
  | { readonly kind: 'run'; readonly row: number; readonly count: number }
  | { readonly kind: 'close'; readonly row: number }
  | { readonly kind: 'limit'; readonly blocks: number };

// few blocks to choose from: prefixes meet
const tokensArbitrary = fc
  .tuple(
    fc.array(fc.constantFrom([0, 0, 0, 0], [0, 1, 0, 1]), { maxLength: 4 }),
    fc.array(fc.nat(1), { minLength: 1, maxLength: 5 }),
  )
  .map(([blocks, rest]) => [...blocks.flat(), ...rest]);
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('open' as const), tokens: tokensArbitrary }),
  fc.record({ kind: fc.constant('run' as const), row: fc.nat(9), count: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ kind: fc.constant('close' as const), row: fc.nat(9) }),
  fc.record({ kind: fc.constant('limit' as const), blocks: fc.integer({ min: 1, max: 14 }) }),
);

/** What a graph would have written: with each token its whole past, so that any mix-up shows. */
class Machine {
  readonly #cache: SharedKvCache;
  readonly #capacity: number;
  #limit: number;
  readonly #memory = new Map<string, string>();
  readonly #rows: { readonly row: SharedRow; readonly tokens: readonly number[] }[] = [];

  constructor(capacity: number, prefixCaching: boolean) {
    this.#capacity = capacity;
    this.#limit = capacity;
    this.#cache = cacheOf(capacity, prefixCaching);
  }

  apply(step: Step): void {
    if (step.kind === 'limit') {
      this.#limit = Math.min(step.blocks, this.#capacity);
      this.#cache.limitTo(step.blocks);
    } else if (step.kind === 'open') {
      const row = this.#cache.open(step.tokens);
      assert.ok(row.length < step.tokens.length);
      this.#rows.push({ row, tokens: step.tokens });
    } else {
      const at = step.row % Math.max(this.#rows.length, 1);
      const found = this.#rows[at];
      if (!found) return;
      if (step.kind === 'close') {
        this.#rows.splice(at, 1);
        this.#cache.close(found.row);
      } else this.#run(found, step.count);
    }
    this.#check();
  }

  #run({ row, tokens }: { row: SharedRow; tokens: readonly number[] }, count: number): void {
    const next = tokens.slice(row.length, row.length + count);
    const missing = Math.ceil((row.length + next.length) / BLOCK) - row.blocks.length;
    const had = this.#cache.available;
    const room = this.#cache.reserve(row, next.length);
    assert.equal(room, missing <= 0 || missing <= had);
    if (!room) return;
    next.forEach((_, i) => this.#memory.set(this.#place(row, row.length + i), past(tokens, row.length + i)));
    this.#cache.commit(row, next);
  }

  #place({ blocks }: SharedRow, position: number): string {
    return `${blocks[Math.floor(position / BLOCK)]} ${position % BLOCK}`;
  }

  /** Every row finds its own past, and no block is lost or given out twice. */
  #check(): void {
    const held = new Set<number>();
    for (const { row, tokens } of this.#rows) {
      for (let position = 0; position < row.length; position++)
        assert.equal(this.#memory.get(this.#place(row, position)), past(tokens, position));
      for (const block of row.blocks) held.add(block);
      assert.equal(new Set(row.blocks).size, row.blocks.length);
    }
    assert.equal(this.#cache.available, Math.max(0, this.#limit - held.size));
  }
}

function past(tokens: readonly number[], position: number): string {
  return tokens.slice(0, position + 1).join(' ');
}

it('keeps every row its past, whatever rows come, run and go', () => {
  fc.assert(
    fc.property(
      fc.array(stepArbitrary, { maxLength: 60 }),
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      (steps, capacity, prefixCaching) => {
        const machine = new Machine(capacity, prefixCaching);
        for (const step of steps) machine.apply(step);
      },
    ),
    { numRuns: 400 },
  );
});
