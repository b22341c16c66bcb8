import { describe, expect, it } from 'vitest';
import type { KvRow } from '../../../src/engine/kv/kv-cache.js';
import { movesOf, NONE, setUp, text } from './set-up.js';

describe('activate', () => {
  it('moves nothing for the same rows, nor for rows that lie in front already', () => {
    const { cache, store, run } = setUp({ blocks: 20 });
    const rows = [1, 2, 3].map((start) => run(text(start, 6)));
    expect(movesOf(store, () => expect(cache.activate(rows)).toBe(9))).toEqual(NONE);
    expect(movesOf(store, () => cache.activate(rows.toReversed()))).toEqual(NONE);
    expect(movesOf(store, () => cache.activate(rows.slice(0, 2)))).toEqual(NONE);
    expect(rows.map(({ active }) => active)).toEqual([true, true, false]);
    expect(movesOf(store, () => expect(cache.activate([])).toBe(0))).toEqual(NONE);
  });

  it('gives a growing row its next block for nothing while the pool has free ones behind', () => {
    const { cache, store, write } = setUp({ blocks: 40 });
    const rows = [1, 2, 3].map((start) => ({ start, row: cache.open(text(start, 2)) }));
    const moves = movesOf(store, () => {
      for (let count = 1; count <= 20; count++) {
        for (const { row } of rows) expect(cache.reserve(row, 1)).toBe(true);
        cache.activate(rows.map(({ row }) => row));
        for (const { row, start } of rows) write(row, text(start, count));
      }
    });
    expect(moves).toEqual(NONE);
  });

  it('moves out at most the blocks of a row that leaves', () => {
    for (const end of [true, false]) {
      const { cache, store, run } = setUp({ blocks: 40 });
      const rows = [1, 2, 3, 4].map((start) => run(text(start, 8)));
      cache.activate(rows);
      const [first, ...rest] = rows as [KvRow, ...KvRow[]];
      const moves = movesOf(store, () => {
        if (end) cache.close(first);
        expect(cache.activate(rest)).toBe(12);
      });
      expect(moves).toEqual({ copies: 0, swaps: 4 });
    }
  });

  it('copies, and does not swap, where a row left nothing behind', () => {
    const { cache, store, run } = setUp({ blocks: 40, prefixCaching: false });
    const rows = [1, 2, 3].map((start) => run(text(start, 8)));
    cache.activate(rows);
    const moves = movesOf(store, () => {
      cache.close(rows[0] as KvRow);
      cache.activate(rows.slice(1));
    });
    expect(moves).toEqual({ copies: 4, swaps: 0 });
  });

  it('moves a block that is reserved and not written for nothing', () => {
    const { cache, store, run } = setUp({ blocks: 40 });
    const first = run(text(1, 2));
    const second = cache.open(text(2, 8));
    cache.reserve(second, 8);
    const third = run(text(3, 4));
    expect(movesOf(store, () => cache.activate([first, third]))).toEqual({ copies: 2, swaps: 0 });
    expect(second.blocks.toSorted((a, b) => a - b)).toEqual([3, 4, 5, 6]);
  });

  it('swaps a block that has to go with one that has to come, where two copies would do the same', () => {
    const { cache, store, run } = setUp({ blocks: 8 });
    const reserved = cache.open([]);
    cache.reserve(reserved, 2);
    const idle = run(text(1, 2));
    const row = run(text(2, 2));
    cache.reserve(row, 2);
    expect([reserved.blocks, idle.blocks, row.blocks]).toEqual([[0], [1], [2, 3]]);
    expect(movesOf(store, () => cache.activate([row]))).toEqual({ copies: 0, swaps: 1 });
    expect([reserved.blocks, idle.blocks, row.blocks]).toEqual([[3], [2], [1, 0]]);
  });

  it('goes back and forth between some rows and all of them at no more than one way', () => {
    const { cache, store, run } = setUp({ blocks: 40 });
    const rows = [1, 2, 3].map((start) => run(text(start, 8)));
    cache.activate(rows);
    expect(movesOf(store, () => cache.activate(rows.slice(2)))).toEqual({ copies: 0, swaps: 4 });
    expect(movesOf(store, () => cache.activate(rows))).toEqual(NONE);
    expect(movesOf(store, () => cache.activate(rows.slice(2)))).toEqual(NONE);
  });

  it('takes a row named twice once', () => {
    const { cache, run } = setUp({ blocks: 10 });
    const row = run(text(1, 4));
    expect(cache.activate([row, row])).toBe(2);
  });
});

describe('the low end', () => {
  it('is used first, so that what was never needed is never touched', () => {
    const { cache, run } = setUp({ blocks: 1000, prefixCaching: false });
    let highest = -1;
    for (let round = 0; round < 20; round++) {
      const rows = [1, 2, 3].map((start) => run(text(start, 10)));
      cache.activate(rows.slice(round % 3));
      highest = Math.max(highest, ...rows.flatMap(({ blocks }) => blocks));
      for (const row of rows) cache.close(row);
    }
    expect(highest).toBe(14);
  });

  it('is where idle blocks go rather than further up', () => {
    const { cache, run } = setUp({ blocks: 8, prefixCaching: false });
    const [ended, idle, row] = [run(text(1, 2)), run(text(2, 2)), run(text(3, 4))];
    cache.close(ended);
    cache.activate([row]);
    expect(idle.blocks).toEqual([2]);
    expect(run(text(4, 2)).blocks).toEqual([3]);
  });
});
