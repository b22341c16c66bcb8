import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argmax, Sampler, type SamplerOptions } from '../../src/engine/generation/sampler.js';
import { samplerOptions } from './helpers/sampling.js';

/** Whole weights: what a token is worth beside others is exact, so that no rounding decides at an edge. */
const weights = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 8 });
/** Odd multiples of 1/194, but for 1/2: no product with a small whole number is a whole number. */
const shares = fc
  .nat(96)
  .filter((i) => i !== 48)
  .map((i) => (i + 0.5) / 97);
const filters = fc.record({
  topK: fc.nat(10),
  topP: fc.oneof(fc.constant(1), shares),
  minP: fc.oneof(fc.constant(0), shares),
});
const seeds = fc.maxSafeInteger();

type Filters = Pick<SamplerOptions, 'topK' | 'topP' | 'minP'>;

/** Logits whose softmax is in proportion to these weights. */
function logitsOf(values: readonly number[], temperature = 1): Float32Array {
  return Float32Array.from(values, (value) => Math.log(value) * temperature);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** Top-k, then the smallest part of what it left that holds topP, then min-p, each by the book; best first. */
function keptOf(values: readonly number[], { topK, topP, minP }: Filters): number[] {
  const order = values.map((_, i) => i).toSorted((a, b) => values[b]! - values[a]! || a - b);
  const best = topK === 0 ? order : order.slice(0, topK);
  const total = sum(best.map((token) => values[token]!));
  let mass = 0;
  const nucleus = best.filter((token) => {
    const within = mass < topP * total;
    mass += values[token]!;
    return within;
  });
  return nucleus.filter((token) => values[token]! >= minP * values[order[0]!]!);
}

function drawMany(options: Partial<SamplerOptions>, logits: Float32Array, count: number): number[] {
  const sampler = new Sampler(samplerOptions(options));
  return Array.from({ length: count }, () => sampler.sample(logits.slice())); // it overwrites them
}

function ascending(tokens: Iterable<number>): number[] {
  return [...new Set(tokens)].toSorted((a, b) => a - b);
}

/** The rarest token kept has a share of 1/57 or more: that 1,500 draws miss it has a probability of 3e-12. */
function expectKept(values: readonly number[], options: Partial<SamplerOptions>): void {
  const logits = logitsOf(values, options.temperature);
  const drawn = drawMany(options, logits, 1500);
  expect(ascending(drawn)).toEqual(ascending(keptOf(values, samplerOptions(options))));
}

describe('the tokens that can be drawn', () => {
  it('are with topK the k most probable, of equals the first', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 10 }), seeds, (values, topK, seed) => {
        expectKept(values, { topK, seed });
      }),
    );
  });

  it('are with minP exactly those with that share of the best one', () => {
    fc.assert(
      fc.property(weights, shares, seeds, (values, minP, seed) => {
        const drawn = ascending(drawMany({ minP, seed }, logitsOf(values), 1500));
        const best = Math.max(...values);
        expect(drawn).toEqual([...values.keys()].filter((token) => values[token]! / best >= minP));
      }),
    );
  });

  it('are with minP 1 those as probable as the best one', () => {
    for (const options of [{}, { topK: 4 }, { topP: 0.99 }])
      expectKept([3, 8, 1, 8], { ...options, minP: 1, seed: 1 });
  });

  it('are with topP no more than reach it exactly', () => {
    for (const options of [{}, { topK: 4 }]) {
      expectKept([1, 1, 1, 1], { ...options, topP: 0.5, seed: 1 });
      expectKept([1, 1, 1, 1], { ...options, topP: 0.75, seed: 1 });
    }
  });

  it('are with topP after topK the nucleus of what topK left, as if that were all', () => {
    // 4 of 10 is less than a half, 4 of 7 is more
    expectKept([1, 4, 2, 3], { topP: 0.5, seed: 1 });
    expectKept([1, 4, 2, 3], { topP: 0.5, topK: 2, seed: 1 });
    expect(ascending(drawMany({ topP: 0.5, seed: 1 }, logitsOf([1, 4, 2, 3]), 500))).toEqual([1, 3]);
    expect(ascending(drawMany({ topP: 0.5, topK: 2, seed: 1 }, logitsOf([1, 4, 2, 3]), 500))).toEqual([1]);
  });

  it('are those of topK, topP and minP one after the other, behind the temperature', () => {
    const temperatures = fc.constantFrom(0.5, 1, 2);
    fc.assert(
      fc.property(weights, filters, temperatures, seeds, (values, options, temperature, seed) => {
        expectKept(values, { ...options, temperature, seed });
      }),
      { numRuns: 150 },
    );
  });

  it('are the same wherever they are in a vocabulary of any size', () => {
    const places = fc.record({
      vocabulary: fc.integer({ min: 8, max: 700 }),
      step: fc.constantFrom(1, 3, 5, 7),
    });
    fc.assert(
      fc.property(weights, filters, places, seeds, (values, options, { vocabulary, step }, seed) => {
        const spread = new Float32Array(vocabulary).fill(-Infinity);
        const room = Math.floor((vocabulary - 1) / (values.length * step)) * step || 1;
        const logits = logitsOf(values);
        for (const [i, logit] of logits.entries())
          spread[vocabulary - 1 - (values.length - 1 - i) * room] = logit;
        const kept = keptOf(values, options).map((i) => vocabulary - 1 - (values.length - 1 - i) * room);
        expect(ascending(drawMany({ ...options, seed }, spread, 1500))).toEqual(ascending(kept));
      }),
    );
  });

  it('never have a logit of minus infinity, even if topK has room for them', () => {
    const logits = new Float32Array([-Infinity, 0, -Infinity, 0]);
    for (const options of [{ topK: 4 }, { topK: 3, topP: 0.9 }, { minP: 0.01 }]) {
      expect(ascending(drawMany({ ...options, seed: 9 }, logits, 300))).toEqual([1, 3]);
    }
  });
});

describe('how often a token is drawn', () => {
  it.each([
    { temperature: 1, topK: 3, topP: 1, minP: 0 },
    { temperature: 1, topK: 0, topP: 1, minP: 0.3 },
    { temperature: 0.5, topK: 5, topP: 0.8, minP: 0 },
    { temperature: 2, topK: 6, topP: 0.9, minP: 0.2 },
    { temperature: 1, topK: 0, topP: 0.7, minP: 0.2 },
    { temperature: 1, topK: 99, topP: 1, minP: 0 },
  ])('follows the softmax of what is left at %o', (options) => {
    const logits = new Float32Array([1, -1, 2, 0, 0.5, 1.5, -4, 1]);
    const probabilities = Array.from(logits, (logit) => Math.exp(logit / options.temperature));
    const kept = keptOf(probabilities, options);
    const total = sum(kept.map((token) => probabilities[token]!));
    const drawn = drawMany({ ...options, seed: 42 }, logits, 40_000);
    for (const [token, probability] of probabilities.entries()) {
      const expected = kept.includes(token) ? probability / total : 0;
      const frequency = drawn.filter((other) => other === token).length / drawn.length;
      // four standard deviations are 0.01 at most
      expect(Math.abs(frequency - expected)).toBeLessThanOrEqual(expected === 0 ? 0 : 0.012);
    }
  });
});

describe('a filter', () => {
  it('of topK 1 is greedy', () => {
    // steps that float32 keeps apart also as probabilities
    const steps = fc.array(fc.integer({ min: -200, max: 200 }), { minLength: 1, maxLength: 40 });
    const temperatures = fc.double({ min: 0.05, max: 2, noNaN: true });
    fc.assert(
      fc.property(steps, temperatures, shares, seeds, (values, temperature, share, seed) => {
        const logits = Float32Array.from(values, (value) => value / 16);
        const options = { temperature, topK: 1, topP: share, minP: share, seed };
        expect(drawMany(options, logits, 3)).toEqual(Array.from({ length: 3 }, () => argmax(logits)));
      }),
    );
  });

  it('that keeps every token draws what none draws', () => {
    fc.assert(
      fc.property(weights, shares, seeds, (values, topP, seed) => {
        const logits = logitsOf(values);
        const expected = drawMany({ topP, seed }, logits, 50);
        expect(drawMany({ topP, seed, topK: values.length }, logits, 50)).toEqual(expected);
        expect(drawMany({ topP, seed, minP: 0.01 }, logits, 50)).toEqual(expected);
      }),
    );
  });

  it('is not looked at in greedy decoding', () => {
    fc.assert(
      fc.property(weights, filters, (values, options) => {
        const logits = logitsOf(values);
        expect(drawMany({ ...options, temperature: 0 }, logits, 1)).toEqual([argmax(logits)]);
      }),
    );
  });

  it('finds the best of a large vocabulary', () => {
    const values = Array.from({ length: 50_000 }, (_, i) => (i % 10_000 === 7 ? 1000 + i : 1));
    for (const options of [{ topK: 5 }, { topK: 3 }, { minP: 0.5 }, { topK: 40, minP: 0.5 }]) {
      expectKept(values, { ...options, seed: 5 });
    }
  });
});

describe('logits of a pass that went wrong', () => {
  it.each([{ topK: 3 }, { minP: 0.1 }, { topK: 3, topP: 0.5, minP: 0.1 }])('throw at %o', (options) => {
    expect(() => drawMany(options, new Float32Array(8).fill(NaN), 1)).toThrow('NaN');
  });
});
