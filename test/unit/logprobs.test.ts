import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StepLogprobs } from '../../src/engine/generation/logprobs.js';
import { decodeLetters } from './helpers/scripted-model.js';

/** Digits that agree: logarithms of sums are wrong by 4e-6 at most. */
const DIGITS = 5;

const anyLogits = fc
  .array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 60 })
  .map((values) => new Float32Array(values));

/** Without the usual care for large numbers, which these are not. */
function logSoftmax(logits: Float32Array): number[] {
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return Array.from(logits, (logit) => Math.log(Math.exp(logit) / total));
}

describe('StepLogprobs', () => {
  it('are the logarithms of probabilities: over the whole vocabulary these are 1', () => {
    fc.assert(
      fc.property(anyLogits, (logits) => {
        const { top } = new StepLogprobs(logits, logits.length, decodeLetters).of(0);
        expect(top).toHaveLength(logits.length);
        expect(top.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, DIGITS);
      }),
    );
  });

  it('tell of any token what a naive log-softmax says', () => {
    fc.assert(
      fc.property(anyLogits, fc.nat(), fc.nat(5), (logits, pick, count) => {
        const token = pick % logits.length;
        const told = new StepLogprobs(logits, count, decodeLetters).of(token);
        expect(told).toMatchObject({ token, text: decodeLetters([token]) });
        expect(told.logprob).toBeCloseTo(logSoftmax(logits)[token]!, DIGITS);
      }),
    );
  });

  it('tell the most probable tokens, best first, each as itself', () => {
    fc.assert(
      fc.property(anyLogits, fc.nat(70), (logits, count) => {
        const step = new StepLogprobs(logits, count, decodeLetters);
        const order = Array.from(logits, (_, i) => i).toSorted((a, b) => logits[b]! - logits[a]! || a - b);
        const { top } = step.of(0);
        expect(top.map(({ token }) => token)).toEqual(order.slice(0, count));
        for (const { token, text, logprob } of top) {
          expect(step.of(token)).toMatchObject({ token, text, logprob });
        }
      }),
    );
  });

  it('are the same whatever happens to the logits afterwards', () => {
    fc.assert(
      fc.property(anyLogits, fc.nat(), (logits, pick) => {
        const token = pick % logits.length;
        const expected = new StepLogprobs(logits.slice(), 3, decodeLetters).of(token);
        const step = new StepLogprobs(logits, 3, decodeLetters);
        logits.fill(-Infinity);
        expect(step.of(token)).toEqual(expected);
      }),
    );
  });

  it('do not change the logits', () => {
    const logits = new Float32Array([1, 3, 2]);
    new StepLogprobs(logits, 2, decodeLetters).of(1);
    expect([...logits]).toEqual([1, 3, 2]);
  });

  it('bear logits whose exponential is beyond all numbers, and those of the impossible', () => {
    const step = new StepLogprobs(new Float32Array([5000, 5000, -5000, -Infinity]), 2, decodeLetters);
    expect(step.of(0).logprob).toBeCloseTo(-Math.LN2, 12);
    expect(step.of(2).logprob).toBeCloseTo(-10_000 - Math.LN2, 9);
    expect(step.of(3).logprob).toBe(-Infinity);
    expect(step.of(3).top.map(({ token }) => token)).toEqual([0, 1]);
  });
});
