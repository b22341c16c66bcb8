import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argmax, Sampler, type SamplerOptions } from '../../src/engine/generation/sampler.js';
import { samplerOptions } from './helpers/sampling.js';

const finiteLogits = fc
  .array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 60 })
  .map((values) => new Float32Array(values));
const temperatures = fc.double({ min: 0.05, max: 2, noNaN: true });
const masses = fc.double({ min: 0.01, max: 1, noNaN: true });
const seeds = fc.maxSafeInteger();

/** The probabilities by the book, in double precision. */
function softmax(logits: Float32Array, temperature: number): number[] {
  const max = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp((logit - max) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/** The smallest set of most probable tokens that reaches `mass`, by a full sort; of equals the first come first. */
function nucleusOf(probabilities: readonly number[], mass: number): number[] {
  const order = probabilities
    .map((_, i) => i)
    .toSorted((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  let sum = 0;
  const size = order.findIndex((token) => (sum += probabilities[token]!) >= mass);
  return size < 0 ? order : order.slice(0, size + 1);
}

function samplerOf(options: Partial<SamplerOptions>): Sampler {
  return new Sampler(samplerOptions(options));
}

function draw(sampler: Sampler, logits: Float32Array): number {
  return sampler.sample(logits.slice()); // it overwrites them
}

function drawMany(options: Partial<SamplerOptions>, logits: Float32Array, count: number): number[] {
  const sampler = samplerOf(options);
  return Array.from({ length: count }, () => draw(sampler, logits));
}

/** The probabilities of what is left of the softmax, by the book. */
function expectedOf(logits: Float32Array, options: Partial<SamplerOptions>): number[] {
  const { temperature, topK, topP, minP } = samplerOptions(options);
  const probabilities = softmax(logits, temperature);
  const order = nucleusOf(probabilities, 2).slice(0, topK || undefined);
  const mass = order.reduce((sum, token) => sum + probabilities[token]!, 0);
  const best = topP === 1 ? order : nucleusOf(probabilities, topP * mass).slice(0, order.length);
  const kept = best.filter((token) => probabilities[token]! >= minP * probabilities[order[0]!]!);
  const total = kept.reduce((sum, token) => sum + probabilities[token]!, 0);
  return probabilities.map((probability, token) => (kept.includes(token) ? probability / total : 0));
}

/** Pearson's test: the sum for n tokens that are expected often enough is n - 1 on average, its deviation sqrt(2 (n - 1)). */
function expectDistribution(logits: Float32Array, options: Partial<SamplerOptions>): void {
  const count = 10_000;
  const expected = expectedOf(logits, options);
  const drawn = frequencies(drawMany({ ...options, seed: 42 }, logits, count), logits.length);
  const often = expected.flatMap((share, token) => (share * count >= 5 ? [token] : []));
  const terms = often.map((token) => (count * (drawn[token]! - expected[token]!) ** 2) / expected[token]!);
  expect(terms.reduce((a, b) => a + b, 0)).toBeLessThan(often.length + 5 * Math.sqrt(2 * often.length));
  expect([...expected.keys()].filter((token) => expected[token] === 0 && drawn[token]! > 0)).toEqual([]);
}

function frequencies(tokens: readonly number[], vocabulary: number): number[] {
  const counts = Array.from({ length: vocabulary }, () => 0);
  for (const token of tokens) counts[token]! += 1;
  return counts.map((count) => count / tokens.length);
}

describe('greedy decoding', () => {
  it('takes the largest logit, the first of equals', () => {
    const fewValues = fc
      .array(fc.constantFrom(-3, 0, 0.5, 7), { minLength: 1, maxLength: 30 })
      .map((values) => new Float32Array(values));
    fc.assert(
      fc.property(fc.oneof(finiteLogits, fewValues), masses, (logits, topP) => {
        const expected = logits.indexOf(Math.max(...logits));
        expect(draw(samplerOf({ temperature: 0, topP }), logits)).toBe(expected);
        expect(argmax(logits)).toBe(expected);
      }),
    );
  });

  it('leaves the logits as they are', () => {
    const logits = new Float32Array([1, 3, 2]);
    samplerOf({ temperature: 0, topP: 1 }).sample(logits);
    expect([...logits]).toEqual([1, 3, 2]);
  });

  it('is what topP 0 means, at any temperature', () => {
    fc.assert(
      fc.property(finiteLogits, temperatures, (logits, temperature) => {
        expect(draw(samplerOf({ temperature, topP: 0 }), logits)).toBe(argmax(logits));
      }),
    );
  });

  it('skips logits that are NaN among others', () => {
    expect(argmax(new Float32Array([NaN, 1, NaN, 4, NaN]))).toBe(3);
  });
});

describe('sampling', () => {
  it('draws the same tokens again with the same seed', () => {
    fc.assert(
      fc.property(finiteLogits, temperatures, masses, seeds, (logits, temperature, topP, seed) => {
        const options = { temperature, topP, seed };
        expect(drawMany(options, logits, 10)).toEqual(drawMany(options, logits, 10));
      }),
    );
  });

  it('draws other tokens with another seed', () => {
    const even = new Float32Array(50);
    const first = drawMany({ temperature: 1, topP: 1, seed: 1 }, even, 20);
    expect(drawMany({ temperature: 1, topP: 1, seed: 2 }, even, 20)).not.toEqual(first);
  });

  it('draws only from the nucleus', () => {
    fc.assert(
      fc.property(finiteLogits, temperatures, masses, seeds, (logits, temperature, topP, seed) => {
        const probabilities = softmax(logits, temperature);
        // the weights are float32: at the nucleus's edge a rounding may decide
        const nucleus = new Set(nucleusOf(probabilities, topP + 1e-5));
        const least = Math.min(...[...nucleus].map((token) => probabilities[token]!));
        for (const token of drawMany({ temperature, topP, seed }, logits, 20)) {
          expect(nucleus.has(token) || probabilities[token]! > least * (1 - 1e-5)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('draws every token of the nucleus, and of equals at its edge the first', () => {
    const logits = new Float32Array([0, 0, 5, 0, 5, 0]); // 0.49 each for tokens 2 and 4
    expect(new Set(drawMany({ temperature: 1, topP: 0.4, seed: 3 }, logits, 200))).toEqual(new Set([2]));
    expect(new Set(drawMany({ temperature: 1, topP: 0.9, seed: 3 }, logits, 200))).toEqual(new Set([2, 4]));
    const even = new Float32Array(10);
    expect(new Set(drawMany({ temperature: 1, topP: 0.25, seed: 3 }, even, 400))).toEqual(new Set([0, 1, 2]));
  });

  it.each([
    { temperature: 1, topP: 1 },
    { temperature: 0.5, topP: 1 },
    { temperature: 2, topP: 1 },
    { temperature: 1, topP: 0.8 },
    { temperature: 0.7, topP: 0.95 },
  ])('follows the softmax over many draws at %o', ({ temperature, topP }) => {
    const logits = new Float32Array([1, -1, 2, 0, 0.5, 1.5, -4, 1]);
    const probabilities = softmax(logits, temperature);
    const nucleus = nucleusOf(probabilities, topP);
    const mass = nucleus.reduce((sum, token) => sum + probabilities[token]!, 0);
    const drawn = frequencies(drawMany({ temperature, topP, seed: 42 }, logits, 40_000), logits.length);
    for (const [token, frequency] of drawn.entries()) {
      const expected = nucleus.includes(token) ? probabilities[token]! / mass : 0;
      // four standard deviations are 0.01 at most
      expect(Math.abs(frequency - expected)).toBeLessThanOrEqual(expected === 0 ? 0 : 0.012);
    }
  });

  it('finds the nucleus of a large vocabulary, where most tokens are too improbable to look at', () => {
    const logits = Float32Array.from({ length: 50_000 }, (_, i) => (i % 10_000 === 7 ? 12 : Math.sin(i)));
    const nucleus = new Set(nucleusOf(softmax(logits, 1), 0.5));
    expect(nucleus.size).toBeLessThan(10);
    for (const token of drawMany({ temperature: 1, topP: 0.5, seed: 5 }, logits, 50)) {
      expect(nucleus.has(token)).toBe(true);
    }
  });

  it.each([1, 2, 5, 255, 256, 257, 515])(
    'follows the softmax over many draws in a vocabulary of %i',
    (vocabulary) => {
      const logits = Float32Array.from({ length: vocabulary }, (_, i) => 2 * Math.sin(i * i + 1));
      for (const options of [{}, { topP: 0.9 }, { temperature: 0.7, minP: 0.3 }, { topK: 10, topP: 0.8 }]) {
        expectDistribution(logits, options);
      }
    },
  );

  it('finds every token of a vocabulary with more than one segment', () => {
    for (const vocabulary of [257, 600]) {
      const drawn = drawMany({ seed: 11 }, new Float32Array(vocabulary), 40 * vocabulary);
      expect(new Set(drawn).size).toBe(vocabulary);
    }
  });

  it('has no choice in a vocabulary of one', () => {
    const one = new Float32Array([-3]);
    for (const options of [
      {},
      { temperature: 0 },
      { topK: 5 },
      { topP: 0.01 },
      { minP: 1 },
      { topK: 1, topP: 0 },
    ]) {
      expect(draw(samplerOf(options), one)).toBe(0);
    }
  });

  it('never draws a token whose logit is minus infinity', () => {
    const logits = new Float32Array([-Infinity, 0, -Infinity, 0]);
    for (const topP of [1, 0.9]) {
      const drawn = drawMany({ temperature: 2, topP, seed: 9 }, logits, 200);
      expect(new Set(drawn)).toEqual(new Set([1, 3]));
    }
  });
});

describe('logits of a pass that went wrong', () => {
  const any = fc.record({
    temperature: fc.constantFrom(0, 1),
    topK: fc.constantFrom(0, 1, 3),
    topP: fc.constantFrom(1, 0.9, 0),
    minP: fc.constantFrom(0, 0.1, 1),
    seed: seeds,
  });

  it.each([NaN, -Infinity])('throw if all are %d, however a token is chosen', (value) => {
    fc.assert(
      fc.property(any, fc.integer({ min: 1, max: 10 }), (options, vocabulary) => {
        const logits = new Float32Array(vocabulary).fill(value);
        expect(() => samplerOf(options).sample(logits)).toThrow('NaN');
      }),
    );
  });

  it('give a token that may be, or throw, if some are NaN or infinite', () => {
    const wild = fc.constantFrom(NaN, Infinity, -Infinity, 0, 1, 5);
    fc.assert(
      fc.property(fc.array(wild, { minLength: 1, maxLength: 10 }), any, (values, options) => {
        let token: number;
        try {
          token = draw(samplerOf(options), new Float32Array(values));
        } catch {
          return;
        }
        expect(values[token]).toBeGreaterThan(-Infinity);
      }),
      { numRuns: 500 },
    );
  });
});
