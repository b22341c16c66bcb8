import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exponentiate, maximum, SEGMENT } from '../../src/engine/generation/exponential.js';

/** Lengths that are, and are not, multiples of what is done at a time. */
const lengths = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc.constantFrom(SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 3 * SEGMENT + 5),
);

const anyLogits = lengths.chain((length) =>
  fc
    .array(fc.float({ min: -60, max: 60, noNaN: true }), { minLength: length, maxLength: length })
    .map((values) => new Float32Array(values)),
);

const temperatures = fc.double({ min: 0.05, max: 2, noNaN: true });

function weigh(logits: Float32Array, temperature = 1) {
  const weights = logits.slice();
  const sums = new Float64Array(Math.ceil(logits.length / SEGMENT));
  const total = exponentiate(weights, maximum(logits), temperature, sums);
  return { weights, sums, total };
}

describe('exponentiate', () => {
  it('is wrong by less than 5e-6 of each weight', () => {
    const count = 400_000;
    const logits = Float32Array.from({ length: count }, (_, i) => (-31.99 * i) / count);
    const { weights } = weigh(logits);
    let worst = 0;
    for (const [i, weight] of weights.entries()) {
      worst = Math.max(worst, Math.abs(weight / Math.exp(logits[i] as number) - 1));
    }
    expect(worst).toBeLessThan(5e-6);
  });

  it('gives the largest 1, and none below e^-32 of it anything', () => {
    fc.assert(
      fc.property(anyLogits, temperatures, (logits, temperature) => {
        const { weights } = weigh(logits, temperature);
        const max = Math.max(...logits);
        const [least, most] = [Math.exp(-32.001), Math.exp(-31.999)];
        const exact = Array.from(logits, (logit) => Math.exp((logit - max) / temperature));
        const right = Array.from(weights, (weight, i) => {
          if (logits[i] === max) return weight === 1;
          if (exact[i]! < least) return weight === 0;
          return exact[i]! < most || Math.abs(weight / exact[i]! - 1) < 1e-5;
        });
        expect(right).not.toContain(false);
      }),
    );
  });

  it('sums each segment, and all', () => {
    fc.assert(
      fc.property(anyLogits, (logits) => {
        const { weights, sums, total } = weigh(logits);
        for (const [i, sum] of sums.entries()) {
          const exact = weights.subarray(i * SEGMENT, (i + 1) * SEGMENT).reduce((a, b) => a + b, 0);
          expect(Math.abs(sum / exact - 1) || 0).toBeLessThan(1e-6);
        }
        expect(total).toBeCloseTo(
          sums.reduce((a, b) => a + b, 0),
          9,
        );
      }),
    );
  });

  it('gives what is impossible nothing', () => {
    expect([...weigh(new Float32Array([-Infinity, 3, -Infinity])).weights]).toEqual([0, 1, 0]);
  });

  it('throws where a logit is no number', () => {
    fc.assert(
      fc.property(anyLogits, fc.nat(), fc.constantFrom(NaN, Infinity), (logits, pick, wrong) => {
        logits[pick % logits.length] = wrong;
        expect(() => weigh(logits)).toThrow('NaN');
      }),
    );
  });
});

describe('maximum', () => {
  it('is the largest number, wherever it is and whatever is no number beside it', () => {
    const values = fc.array(fc.oneof(fc.float({ noNaN: true }), fc.constantFrom(NaN, -Infinity)), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(values, (some) => {
        const numbers = some.filter((value) => !Number.isNaN(value));
        expect(maximum(new Float32Array(some))).toBe(Math.max(...numbers));
      }),
      { numRuns: 500 },
    );
  });
});
