import { randomInt } from 'node:crypto';

const UINT32 = 2 ** 32;

/**
 * xoshiro128** 1.1 (Blackman and Vigna, https://prng.di.unimi.it), seeded through splitmix32: each request owns one, so
 * that what else runs never changes its draws.
 */
export class Random {
  readonly #state: Uint32Array;

  /** @param seed any safe integer; without one the draws differ from run to run */
  constructor(seed: number = randomInt(2 ** 47)) {
    this.#state = expandSeed(seed);
  }

  /** A uniform draw from [0, 1) with 32 random bits. */
  next(): number {
    const s = this.#state;
    const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = s;
    const scrambled = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
    const a = s2 ^ s0;
    const b = s3 ^ s1;
    s[1] = s1 ^ a;
    s[0] = s0 ^ b;
    s[2] = a ^ (s1 << 9);
    s[3] = rotateLeft(b, 11);
    return scrambled / UINT32;
  }
}

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

function expandSeed(seed: number): Uint32Array {
  // both halves of the integer count, so that seeds 2^32 apart differ
  let a = ((seed >>> 0) ^ Math.imul(Math.floor(seed / UINT32) >>> 0, 0x9e3779b1)) >>> 0;
  const state = new Uint32Array(4);
  for (let i = 0; i < 4; i++) {
    a = (a + 0x9e3779b9) | 0;
    let t = a ^ (a >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    state[i] = t ^ (t >>> 15);
  }
  return state;
}
