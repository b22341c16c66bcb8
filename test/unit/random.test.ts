import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/engine/generation/random.js';

const MASK = 0xffff_ffffn;

/** The reference code, line by line, on integers that don't overflow. */
class ReferenceXoshiro {
  readonly #s: bigint[];

  constructor(seed: number) {
    const low = BigInt.asUintN(32, BigInt(seed));
    const high = BigInt.asUintN(32, BigInt(seed) >> 32n);
    let a = low ^ ((high * 0x9e3779b1n) & MASK);
    this.#s = Array.from({ length: 4 }, () => {
      a = (a + 0x9e3779b9n) & MASK;
      let t = a ^ (a >> 16n);
      t = (t * 0x21f0aaadn) & MASK;
      t ^= t >> 15n;
      t = (t * 0x735a2d97n) & MASK;
      return t ^ (t >> 15n);
    });
  }

  next(): number {
    let [s0, s1, s2, s3] = this.#s as [bigint, bigint, bigint, bigint];
    const result = (rotateLeft((s1 * 5n) & MASK, 7n) * 9n) & MASK;
    const t = (s1 << 9n) & MASK;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= t;
    s3 = rotateLeft(s3, 11n);
    this.#s.splice(0, 4, s0, s1, s2, s3);
    return Number(result) / 2 ** 32;
  }
}

function rotateLeft(x: bigint, k: bigint): bigint {
  return ((x << k) | (x >> (32n - k))) & MASK;
}

function draws(random: { next(): number }, count: number): number[] {
  return Array.from({ length: count }, () => random.next());
}

describe('Random', () => {
  it('draws what the reference implementation of xoshiro128** draws, for any seed', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (seed) => {
        expect(draws(new Random(seed), 20)).toEqual(draws(new ReferenceXoshiro(seed), 20));
      }),
    );
  });

  it('draws from [0, 1), evenly', () => {
    const counts = new Uint32Array(16);
    const drawn = draws(new Random(1), 64_000);
    expect(drawn.every((draw) => draw >= 0 && draw < 1)).toBe(true);
    for (const draw of drawn) counts[Math.floor(draw * 16)]! += 1;
    // 4,000 expected in each, with a standard deviation of 61
    for (const count of counts) expect(Math.abs(count - 4000)).toBeLessThan(350);
  });

  it('tells seeds apart, also those 2^32 apart and those below zero', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 2 ** 20 }),
        (seed, high) => {
          const first = draws(new Random(seed), 4);
          expect(draws(new Random(seed + high * 2 ** 32), 4)).not.toEqual(first);
          expect(draws(new Random(-seed - 1), 4)).not.toEqual(first);
        },
      ),
    );
  });

  it('draws differently each time without a seed', () => {
    expect(draws(new Random(), 4)).not.toEqual(draws(new Random(), 4));
  });
});
