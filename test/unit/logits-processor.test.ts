import { RepetitionPenaltyLogitsProcessor, Tensor } from '@huggingface/transformers';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LogitsProcessor,
  type LogitsProcessorOptions,
} from '../../src/engine/generation/logits-processor.js';
import { processorOptions } from './helpers/sampling.js';

const VOCABULARY = 12;

const anyLogits = fc
  .array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: VOCABULARY, maxLength: VOCABULARY })
  .map((values) => new Float32Array(values));
const anyTokens = fc.array(fc.nat(VOCABULARY - 1), { maxLength: 20 });
const penalties = fc.double({ min: -2, max: 2, noNaN: true });
const factors = fc.double({ min: 0.25, max: 4, noNaN: true });
const biases = fc
  .dictionary(fc.nat(VOCABULARY - 1).map(String), fc.double({ min: -100, max: 100, noNaN: true }))
  .map((entries) => new Map(Object.entries(entries).map(([token, bias]) => [Number(token), bias])));

interface Case {
  readonly logits: Float32Array;
  readonly prompt?: readonly number[];
  readonly completion?: readonly number[];
  readonly banned?: readonly number[];
}

/** What becomes of the logits behind this prompt and completion. */
function processed(options: Partial<LogitsProcessorOptions>, what: Case): Float32Array {
  const { logits, prompt = [], completion = [], banned = [] } = what;
  const processor = new LogitsProcessor(processorOptions(options), prompt);
  for (const token of completion) processor.push(token);
  const result = logits.slice();
  processor.process(result, banned);
  return result;
}

/** Equal but for the roundings of float32. */
function expectClose(actual: Float32Array, expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [token, logit] of expected.entries()) {
    expect(Math.abs(actual[token]! - logit)).toBeLessThan(1e-3);
  }
}

function penalizerOf(penalty: number): (input: bigint[][], logits: Tensor) => Tensor {
  return new RepetitionPenaltyLogitsProcessor(penalty);
}

function repeated(logit: number, penalty: number): number {
  return logit < 0 ? logit * penalty : logit / penalty;
}

describe('presence and frequency penalty', () => {
  it("are OpenAI's formula over the completion, not the prompt", () => {
    const run = (
      logits: Float32Array,
      prompt: number[],
      completion: number[],
      presencePenalty: number,
      frequencyPenalty: number,
    ): void => {
      const expected = Array.from(logits, (logit, token) => {
        const count = completion.filter((other) => other === token).length;
        return logit - count * frequencyPenalty - (count > 0 ? 1 : 0) * presencePenalty;
      });
      expectClose(processed({ presencePenalty, frequencyPenalty }, { logits, prompt, completion }), expected);
    };
    fc.assert(fc.property(anyLogits, anyTokens, anyTokens, penalties, penalties, run));
  });
});

describe('the repetition penalty', () => {
  it('takes each token of prompt and completion once', () => {
    fc.assert(
      fc.property(anyLogits, anyTokens, anyTokens, factors, (logits, prompt, completion, penalty) => {
        const seen = new Set([...prompt, ...completion]);
        const expected = Array.from(logits, (logit, token) =>
          seen.has(token) ? repeated(logit, penalty) : logit,
        );
        expectClose(processed({ repetitionPenalty: penalty }, { logits, prompt, completion }), expected);
      }),
    );
  });

  it('is that of Transformers.js, bit by bit', () => {
    fc.assert(
      fc.property(anyLogits, anyTokens, anyTokens, factors, (logits, prompt, completion, penalty) => {
        const tensor = new Tensor('float32', logits.slice(), [1, VOCABULARY]);
        const input = [...prompt, ...completion].map(BigInt);
        penalizerOf(penalty)([input], tensor);
        const actual = processed({ repetitionPenalty: penalty }, { logits, prompt, completion });
        expect([...actual]).toEqual([...(tensor.data as Float32Array)]);
      }),
    );
  });
});

describe('the logit bias', () => {
  it('is added', () => {
    fc.assert(
      fc.property(anyLogits, biases, anyTokens, (logits, logitBias, prompt) => {
        const expected = Array.from(logits, (logit, token) => logit + (logitBias.get(token) ?? 0));
        expectClose(processed({ logitBias }, { logits, prompt }), expected);
      }),
    );
  });
});

describe('a banned token', () => {
  it('is impossible, whatever else is asked for', () => {
    fc.assert(
      fc.property(anyLogits, anyTokens, biases, (logits, banned, logitBias) => {
        const options = { logitBias, presencePenalty: -2, repetitionPenalty: 0.5 };
        const actual = processed(options, { logits, prompt: banned, completion: banned, banned });
        for (const [token, logit] of actual.entries()) {
          expect(logit === -Infinity).toBe(banned.includes(token));
        }
      }),
    );
  });

  it('is banned for one step only', () => {
    const processor = new LogitsProcessor(processorOptions({}), []);
    processor.process(new Float32Array(4), [2]);
    const logits = new Float32Array(4);
    processor.process(logits, []);
    expect([...logits]).toEqual([0, 0, 0, 0]);
  });
});

describe('all of it', () => {
  const all = fc.record({
    repetitionPenalty: factors,
    presencePenalty: penalties,
    frequencyPenalty: penalties,
    logitBias: biases,
  });

  it('is repetition, then counts, then bias', () => {
    fc.assert(
      fc.property(anyLogits, anyTokens, anyTokens, all, (logits, prompt, completion, options) => {
        const expected = Array.from(logits, (logit, token) => {
          const count = completion.filter((other) => other === token).length;
          const seen = count > 0 || prompt.includes(token);
          const penalized = seen ? repeated(logit, options.repetitionPenalty) : logit;
          const presence = count > 0 ? options.presencePenalty : 0;
          return (
            penalized - count * options.frequencyPenalty - presence + (options.logitBias.get(token) ?? 0)
          );
        });
        expectClose(processed(options, { logits, prompt, completion }), expected);
      }),
    );
  });

  it('leaves the logits as they are if nothing is asked for', () => {
    fc.assert(
      fc.property(anyLogits, anyTokens, anyTokens, (logits, prompt, completion) => {
        expect([...processed({}, { logits, prompt, completion })]).toEqual([...logits]);
      }),
    );
  });
});
