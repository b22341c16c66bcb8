import { describe, expect, it } from 'vitest';
import { movesOf, NONE, setUp, text } from './set-up.js';

describe('prefixes', () => {
  it('finds whole blocks only, and leaves at least one token to run', () => {
    const { cache, run } = setUp({ blocks: 10 });
    cache.close(run([1, 2, 3, 4, 5]));
    expect(cache.cached).toBe(2);
    const lengths = [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5, 6], [1, 2, 4, 3, 5]].map(
      (tokens) => {
        const row = cache.open(tokens);
        const { length } = row;
        cache.close(row);
        return length;
      },
    );
    expect(lengths).toEqual([0, 0, 0, 2, 2, 4, 2]);
  });

  it('tells blocks apart by their tokens in full, and by what is before them', () => {
    const { cache, run, hit } = setUp({ blocks: 20 });
    cache.close(run([1, 2, 3, 4]));
    cache.close(run([70_000, 2, 3, 4]));
    expect(hit([4464, 2, 3, 4])).toBe(0); // 70,000 mod 2^16
    expect(hit([3, 4])).toBe(0);
    expect(hit([12, 3])).toBe(0);
    expect(hit([70_000, 2, 3, 4])).toBe(4);
  });

  it('copies from a row that still runs', () => {
    const { cache, store, run } = setUp({ blocks: 10 });
    const first = run([1, 2, 3, 4, 5]);
    const moves = movesOf(store, () => {
      const second = cache.open([1, 2, 3, 4, 9, 9]);
      expect(second.length).toBe(4);
      expect(second.blocks).toHaveLength(2);
      expect(second.blocks.some((position) => first.blocks.includes(position))).toBe(false);
      expect(store.read(second.blocks, 4)).toEqual(store.read(first.blocks, 4));
    });
    expect(moves).toEqual({ copies: 2, swaps: 0 });
  });

  it('takes cached blocks over as they lie, and lets others copy them from there', () => {
    const { cache, store, run } = setUp({ blocks: 10 });
    cache.close(run([1, 2, 3, 4]));
    const moves = movesOf(store, () => expect(cache.open([1, 2, 3, 4, 5]).length).toBe(4));
    expect(moves).toEqual(NONE);
    expect(cache.cached).toBe(0);
    expect(cache.open([1, 2, 3, 4, 6]).length).toBe(4);
    expect(cache.held).toBe(4);
  });

  it('lets a parked row go on where it was, but for the block that was not full', () => {
    const { cache, run, write } = setUp({ blocks: 10 });
    const row = run(text(1, 5));
    write(row, text(1, 9));
    cache.close(row);
    expect(cache.open(text(1, 9)).length).toBe(8);
  });

  it('are not kept without prefix caching', () => {
    const { cache, run, hit } = setUp({ blocks: 10, prefixCaching: false });
    const running = run([1, 2, 3, 4]);
    expect(hit([1, 2, 3, 4])).toBe(0);
    cache.close(running);
    expect(hit([1, 2, 3, 4])).toBe(0);
    expect(cache.free).toBe(10);
  });
});

describe('duplicates', () => {
  it('leave one cached block, whichever row ends first', () => {
    for (const firstEndsFirst of [true, false]) {
      const { cache, write, hit } = setUp({ blocks: 10 });
      const rows = [cache.open([1, 2, 3]), cache.open([1, 2, 3])] as const;
      for (const row of rows) write(row, [1, 2, 3]);
      expect(cache.held).toBe(4);
      const [first, second] = firstEndsFirst ? rows : ([rows[1], rows[0]] as const);
      cache.close(first);
      expect({ held: cache.held, cached: cache.cached }).toEqual({ held: 2, cached: 0 });
      expect(hit([1, 2])).toBe(2);
      cache.close(second);
      expect({ held: cache.held, cached: cache.cached }).toEqual({ held: 0, cached: 1 });
      expect(hit([1, 2])).toBe(2);
    }
  });

  it('of a cached block are freed as soon as a row has written the same', () => {
    const { cache, write, hit } = setUp({ blocks: 10 });
    const [early, late] = [cache.open([1, 2, 3]), cache.open([1, 2, 3])];
    write(early, [1, 2, 3]);
    cache.close(early);
    expect(cache.cached).toBe(1);
    write(late, [1, 2, 3]);
    expect({ held: cache.held, cached: cache.cached, free: cache.free }).toEqual({
      held: 2,
      cached: 0,
      free: 8,
    });
    expect(hit([1, 2])).toBe(2);
  });

  it('keep what follows them reachable when the first of them ends', () => {
    const { cache, run, hit } = setUp({ blocks: 10 });
    const first = run([1, 2, 3, 4]);
    const second = run([1, 2, 5, 6]);
    cache.close(first);
    expect(hit([1, 2, 3, 4])).toBe(4);
    expect(hit([1, 2, 5, 6])).toBe(4);
    cache.close(second);
    expect(cache.cached).toBe(3);
    expect(hit([1, 2, 5, 6])).toBe(4);
  });
});

describe('eviction', () => {
  it('takes the least recently used, and a hit counts as use', () => {
    const { cache, run, hit } = setUp({ blocks: 3 });
    for (const start of [1, 2, 3]) cache.close(run(text(start, 2)));
    expect(hit(text(1, 2))).toBe(2);
    cache.close(run(text(4, 2)));
    expect([1, 2, 3, 4].map((start) => hit(text(start, 2)))).toEqual([2, 0, 2, 2]);
  });

  it('starts at the leaves, so that a prefix outlives what follows it', () => {
    const { cache, hit, run } = setUp({ blocks: 4 });
    cache.close(run(text(1, 8)));
    const row = cache.open([]);
    const hits = [2, 4, 6, 8].map((count) => {
      cache.reserve(row, count);
      return hit(text(1, 8));
    });
    expect(hits).toEqual([6, 4, 2, 0]);
  });

  it('counts a hit as use of the whole chain', () => {
    const { cache, hit, run } = setUp({ blocks: 4 });
    cache.close(run(text(1, 4)));
    cache.close(run(text(2, 4)));
    expect(hit(text(1, 4))).toBe(4);
    cache.close(run(text(3, 4)));
    expect([1, 2, 3].map((start) => hit(text(start, 4)))).toEqual([4, 0, 4]);
  });

  it('comes only after the last free block, and frees no more than it has to', () => {
    const { cache, run } = setUp({ blocks: 4 });
    cache.close(run(text(1, 4)));
    const row = run(text(2, 4));
    expect({ cached: cache.cached, free: cache.free }).toEqual({ cached: 2, free: 0 });
    expect(cache.reserve(row, 1)).toBe(true);
    expect(cache.cached).toBe(1);
  });

  it('does not happen where the room is not enough even so', () => {
    const { cache, run, hit } = setUp({ blocks: 4 });
    cache.close(run(text(1, 4)));
    const row = run(text(2, 2));
    expect(cache.reserve(row, 7)).toBe(false);
    expect(row.blocks).toHaveLength(1);
    expect({ cached: cache.cached, free: cache.free }).toEqual({ cached: 2, free: 1 });
    expect(hit(text(1, 4))).toBe(4);
    expect(cache.reserve(row, 6)).toBe(true);
  });

  it('for a new row spares what that row starts with', () => {
    const { cache, store, run, write } = setUp({ blocks: 5 });
    const running = run([1, 2]);
    write(running, [1, 2, 3]);
    const long = run([1, 2, 3, 4]); // one block copied, one of its own
    cache.close(long);
    cache.close(run(text(7, 4)));
    // 2 held, 1 + 2 cached, none free: [3, 4] is the oldest, but the row starts with it
    expect({ held: cache.held, cached: cache.cached, free: cache.free }).toEqual({
      held: 2,
      cached: 3,
      free: 0,
    });
    const row = cache.open([1, 2, 3, 4, 5]);
    expect(row.length).toBe(4);
    expect(store.read(row.blocks, 4)).toEqual(['1', '1,2', '1,2,3', '1,2,3,4']);
    expect(cache.cached).toBe(1);
  });

  it('can leave a new row with a part of its prefix, or none', () => {
    const { cache, run } = setUp({ blocks: 3 });
    const running = run(text(1, 4));
    expect(cache.open(text(1, 6)).length).toBe(2);
    expect(cache.open(text(1, 6)).length).toBe(0);
    expect(cache.available).toBe(0);
    cache.close(running);
    expect(cache.open(text(1, 6)).length).toBe(4);
  });
});

describe('admission', () => {
  it('depends on what is available alone, whatever of the prompt is cached or running', () => {
    for (const spare of [0, 1]) {
      const { cache, run } = setUp({ blocks: 6 + spare });
      const running = run(text(1, 4));
      cache.close(run(text(1, 6)));
      expect(running.blocks).toHaveLength(2);
      const prompt = text(1, 9);
      const admitted = cache.blocksFor(prompt.length) <= cache.available;
      expect(admitted).toBe(spare === 1);
      const row = cache.open(prompt);
      expect(row.length).toBe(6);
      expect(cache.reserve(row, prompt.length - row.length)).toBe(admitted);
    }
  });

  it('counts blocks in whole', () => {
    const { cache } = setUp({ blocks: 1 });
    expect([0, 1, 2, 3, 4, 5].map((tokens) => cache.blocksFor(tokens))).toEqual([0, 1, 1, 2, 2, 3]);
  });
});
