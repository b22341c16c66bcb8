import assert from 'node:assert/strict';
import { KvCache, type KvRow } from '../../../src/engine/kv/kv-cache.js';
import { ShadowStore } from './shadow-store.js';

const BLOCK_TOKENS = 2;

/** A cache of two-token blocks and its memory, with what a step does to a row. */
export function setUp({ blocks, prefixCaching = true }: { blocks: number; prefixCaching?: boolean }) {
  const store = new ShadowStore(blocks, BLOCK_TOKENS);
  const cache = new KvCache({ blocks, blockTokens: BLOCK_TOKENS, store, prefixCaching });
  const write = (row: KvRow, tokens: readonly number[]): boolean => {
    if (!cache.reserve(row, tokens.length - row.length)) return false;
    store.write(row.blocks, tokens, row.length);
    cache.commit(row, tokens.slice(row.length));
    return true;
  };
  return {
    cache,
    store,
    /** Writes what of `tokens` the row does not have yet. */
    write,
    /** A row that has written all of `tokens`. */
    run: (tokens: readonly number[]): KvRow => {
      const row = cache.open(tokens);
      if (!write(row, tokens)) throw new Error('no room');
      return row;
    },
    /** How many tokens of `tokens` and one more are found; nothing but the order of last use changes. */
    hit: (tokens: readonly number[]): number => {
      const row = cache.open([...tokens, 0]);
      const { length } = row;
      assert.deepEqual(
        store.read(row.blocks, length),
        tokens.slice(0, length).map((_, i) => tokens.slice(0, i + 1).join()),
      );
      cache.close(row);
      return length;
    },
  };
}

/** What is moved while `action` runs. */
export function movesOf(store: ShadowStore, action: () => void): { copies: number; swaps: number } {
  const { copies, swaps } = store;
  action();
  return { copies: store.copies - copies, swaps: store.swaps - swaps };
}

/** No moves. */
export const NONE = { copies: 0, swaps: 0 };

/** `count` tokens that start like no other number's. */
export function text(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * 100 + i);
}
