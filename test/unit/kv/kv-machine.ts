import assert from 'node:assert/strict';
import { KvCache, type KvRow } from '../../../src/engine/kv/kv-cache.js';
import { Reference, type ReferenceRow } from './reference.js';
import { ShadowStore } from './shadow-store.js';

export type Operation =
  | { readonly kind: 'open'; readonly tokens: readonly number[] }
  /** Opens a row with the tokens of one that was closed before, and more. */
  | { readonly kind: 'resume'; readonly past: number; readonly tokens: readonly number[] }
  | { readonly kind: 'reserve'; readonly row: number; readonly count: number }
  /** Reserves, writes and commits, as a step does. */
  | { readonly kind: 'write'; readonly row: number; readonly tokens: readonly number[] }
  | { readonly kind: 'activate'; readonly rows: readonly number[] }
  | { readonly kind: 'close'; readonly row: number };

export interface MachineOptions {
  readonly blocks: number;
  readonly blockTokens: number;
  readonly prefixCaching: boolean;
}

interface Pair {
  readonly row: KvRow;
  readonly expected: ReferenceRow;
}

/** Runs operations on a cache and on the reference, and compares all that can be seen after each. */
export class KvMachine {
  readonly cache: KvCache;
  readonly store: ShadowStore;
  readonly #options: MachineOptions;
  readonly #reference: Reference;
  readonly #pairs: Pair[] = [];
  readonly #past: number[][] = [];

  constructor(options: MachineOptions) {
    const { blocks, blockTokens, prefixCaching } = options;
    this.#options = options;
    this.store = new ShadowStore(blocks, blockTokens);
    this.cache = new KvCache({ ...options, store: this.store });
    this.#reference = new Reference(blocks, blockTokens, prefixCaching);
  }

  run(operation: Operation): void {
    switch (operation.kind) {
      case 'open':
        this.#open(operation.tokens);
        break;
      case 'resume':
        this.#open([...(pick(this.#past, operation.past) ?? []), ...operation.tokens]);
        break;
      case 'activate':
        this.#activate(operation.rows);
        break;
      case 'reserve':
      case 'write':
      case 'close': {
        const pair = pick(this.#pairs, operation.row);
        if (pair !== undefined) this.#change(pair, operation);
        break;
      }
      default:
        operation satisfies never;
    }
    this.#check();
  }

  #open(tokens: readonly number[]): void {
    const row = this.cache.open(tokens);
    const expected = this.#reference.open(tokens);
    assert.equal(row.length, expected.tokens.length);
    assert.equal(row.active, false);
    this.#pairs.push({ row, expected });
  }

  #change(pair: Pair, operation: Extract<Operation, { row: number }>): void {
    const { row, expected } = pair;
    switch (operation.kind) {
      case 'reserve':
        this.#reserve(pair, operation.count);
        break;
      case 'write': {
        const { tokens } = operation;
        if (!this.#reserve(pair, tokens.length)) break;
        this.store.write(row.blocks, [...expected.tokens, ...tokens], expected.tokens.length);
        this.cache.commit(row, tokens);
        this.#reference.commit(expected, tokens);
        break;
      }
      case 'close':
        this.cache.close(row);
        this.#reference.close(expected);
        this.#past.push(expected.tokens);
        this.#pairs.splice(this.#pairs.indexOf(pair), 1);
        break;
      default:
        operation satisfies never;
    }
  }

  #reserve({ row, expected }: Pair, count: number): boolean {
    const before = { blocks: [...row.blocks], cached: this.cache.cached, free: this.cache.free };
    const done = this.#reference.reserve(expected, count);
    assert.equal(this.cache.reserve(row, count), done);
    if (!done)
      assert.deepEqual({ blocks: row.blocks, cached: this.cache.cached, free: this.cache.free }, before);
    return done;
  }

  #activate(choice: readonly number[]): void {
    const named = choice.flatMap((number) => pick(this.#pairs, number)?.row ?? []);
    const least = this.#leastMoves(new Set(named));
    const moves = this.store.moves;
    const count = this.cache.activate(named);
    const region = [...new Set(named)].flatMap(({ blocks }) => blocks).toSorted((a, b) => a - b);
    assert.deepEqual(
      region,
      Array.from({ length: count }, (_, i) => i),
    );
    for (const { row } of this.#pairs) assert.equal(row.active, named.includes(row));
    const done = this.store.moves - moves;
    assert.ok(done >= least.atLeast && done <= least.atMost, `${done} moves, not ${JSON.stringify(least)}`);
  }

  /**
   * Bounds of the fewest moves: how many written blocks have to come in, or to go out where those are more. What is cached
   * counts as far as its content shows where it is; a freed block that still holds the same can't be told from it.
   */
  #leastMoves(named: ReadonlySet<KvRow>): { atLeast: number; atMost: number } {
    const { blockTokens } = this.#options;
    const written = (row: KvRow): number[] => row.blocks.slice(0, Math.ceil(row.length / blockTokens));
    const count = [...named].reduce((sum, row) => sum + row.blocks.length, 0);
    const incoming = [...named].flatMap(written).filter((position) => position >= count).length;
    const others = this.#pairs.filter(({ row }) => !named.has(row));
    const outgoing = others.flatMap(({ row }) => written(row)).filter((position) => position < count).length;
    const cached = this.#cachedTexts(this.#used());
    const cachedBelow = [...cached.keys()].filter((position) => position < count).length;
    const duplicates = cached.size - this.cache.cached;
    return {
      atLeast: Math.max(incoming, outgoing + cachedBelow - duplicates),
      atMost: Math.max(incoming, outgoing + cachedBelow),
    };
  }

  #used(): Set<number> {
    return new Set(this.#pairs.flatMap(({ row }) => row.blocks));
  }

  /** Positions outside all rows that hold what ought to be cached, with its text. */
  #cachedTexts(used: ReadonlySet<number>): Map<number, string> {
    const found = new Map<number, string>();
    for (let position = 0; position < this.#options.blocks; position++) {
      const text = this.store.fullText(position);
      if (!used.has(position) && text !== undefined && this.#reference.cached.has(text))
        found.set(position, text);
    }
    return found;
  }

  #check(): void {
    const { cache, store } = this;
    const used = this.#used();
    assert.equal(cache.held, used.size);
    assert.equal(cache.held, this.#reference.held);
    assert.equal(cache.cached, this.#reference.cached.size);
    assert.equal(cache.held + cache.cached + cache.free, cache.capacity);
    assert.equal(cache.available, this.#reference.available);
    for (const { row, expected } of this.#pairs) {
      assert.equal(row.length, expected.tokens.length);
      assert.equal(row.blocks.length, expected.blocks);
      const texts = expected.tokens.map((_, i) => expected.tokens.slice(0, i + 1).join());
      assert.deepEqual(store.read(row.blocks, row.length), texts);
    }
    this.#wipeFree(used);
  }

  /** Every cached text must be somewhere outside the rows. The rest is wiped, so that what counts on it is found out. */
  #wipeFree(used: ReadonlySet<number>): void {
    const cached = this.#cachedTexts(used);
    assert.equal(new Set(cached.values()).size, this.#reference.cached.size);
    for (let position = 0; position < this.#options.blocks; position++) {
      if (!used.has(position) && !cached.has(position)) this.store.wipe(position);
    }
  }
}

function pick<T>(items: readonly T[], number: number): T | undefined {
  return items[number % items.length];
}
