import { describe, expect, it } from 'vitest';
import { KvCache } from '../../../src/engine/kv/kv-cache.js';
import { setUp } from './set-up.js';

describe('misuse', () => {
  it('is refused: closed and foreign rows, tokens without room, impossible pools', () => {
    const { cache, run, store } = setUp({ blocks: 10 });
    const row = run([1, 2, 3]);
    expect(() => cache.commit(row, [4, 5])).toThrow(
      new RangeError('5 tokens were written to a row with room for 4'),
    );
    expect(row.length).toBe(3);
    const other = setUp({ blocks: 10 }).cache;
    expect(() => other.reserve(row, 1)).toThrow('the row is not open in this cache');
    cache.close(row);
    expect(() => cache.close(row)).toThrow('the row is not open in this cache');
    expect(() => cache.activate([row])).toThrow('the row is not open in this cache');
    const options = { blocks: 1, blockTokens: 1, store, prefixCaching: true };
    expect(() => new KvCache({ ...options, blocks: 0 })).toThrow('blocks is 0, not a positive integer');
    expect(() => new KvCache({ ...options, blockTokens: 1.5 })).toThrow('blockTokens is 1.5');
  });
});
