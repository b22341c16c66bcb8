import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KvRow } from '../../../src/engine/kv/kv-cache.js';
import { setUp, text } from './set-up.js';

describe('a limit', () => {
  it('leaves rows what they hold, and gives them no more', () => {
    const { cache, run, write } = setUp({ blocks: 10 });
    const row = run(text(1, 8));
    cache.limitTo(3);
    expect(cache.held).toBe(4);
    expect(cache.available).toBe(0);
    expect(write(row, text(1, 9))).toBe(false);
    cache.limitTo(10);
    expect(write(row, text(1, 9))).toBe(true);
  });

  it('drops prefixes that are beyond it, the least recently used first', () => {
    const { cache, run, hit } = setUp({ blocks: 10 });
    cache.close(run(text(1, 4)));
    cache.close(run(text(2, 4)));
    cache.limitTo(2);
    expect(cache.cached).toBe(2);
    expect([hit(text(1, 4)), hit(text(2, 4))]).toEqual([0, 4]);
  });

  it('counts prefixes: new rows take their place, not the untouched end of the pool', () => {
    const { cache, run } = setUp({ blocks: 10 });
    cache.close(run(text(1, 6)));
    cache.limitTo(3);
    expect(cache.available).toBe(3);
    const row = run(text(2, 6));
    expect(Math.max(...row.blocks)).toBeLessThan(3);
    expect(cache.cached).toBe(0);
  });

  it('holds whatever is done, and what can be had can be reserved', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('run' as const),
        start: fc.nat(3),
        count: fc.integer({ min: 1, max: 9 }),
      }),
      fc.record({ kind: fc.constant('close' as const), row: fc.nat(5) }),
      fc.record({ kind: fc.constant('limit' as const), blocks: fc.integer({ min: 1, max: 16 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, prefixCaching) => {
        const { cache, write } = setUp({ blocks: 16, prefixCaching });
        const rows: KvRow[] = [];
        let limit = 16;
        let wrong = false;
        for (const each of steps) {
          if (each.kind === 'limit') cache.limitTo((limit = each.blocks));
          if (each.kind === 'close') {
            const [row] = rows.splice(each.row, 1);
            if (row) cache.close(row);
          }
          if (each.kind === 'run') {
            const tokens = text(each.start, each.count);
            const fits = cache.blocksFor(tokens.length) <= cache.available;
            const row = cache.open(tokens);
            rows.push(row);
            wrong ||= write(row, tokens) !== fits;
          }
          expect(wrong).toBe(false);
          const used = cache.held + cache.cached;
          expect(used + cache.free).toBe(16);
          expect(used).toBeLessThanOrEqual(Math.max(limit, cache.held));
          expect(cache.available).toBe(Math.max(0, Math.min(cache.free + cache.cached, limit - cache.held)));
        }
      }),
    );
  });
});
