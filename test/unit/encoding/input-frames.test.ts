import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cutTokens,
  frameLength,
  frameTokens,
  probeFrames,
  type EncodeProbe,
} from '../../../src/engine/encoding/input-frames.js';

const [CLS, SEP] = [101, 102];
const bert: EncodeProbe = (text, { pair, special }) => {
  const ids = (some: string) => some.split('').map((letter) => letter.charCodeAt(0));
  if (!special) return ids(text);
  return [CLS, ...ids(text), SEP, ...(pair === undefined ? [] : [...ids(pair), SEP])];
};
const roberta: EncodeProbe = (text, { pair, special }) => {
  if (!special) return [text.charCodeAt(0)];
  return [0, text.charCodeAt(0), 2, ...(pair === undefined ? [] : [2, pair.charCodeAt(0), 2])];
};

it('finds what BERT and RoBERTa put around texts', () => {
  expect(probeFrames(bert)).toEqual({
    single: { before: [CLS], between: [], after: [SEP] },
    pair: { before: [CLS], between: [SEP], after: [SEP] },
  });
  expect(probeFrames(roberta).pair).toEqual({ before: [0], between: [2, 2], after: [2] });
});

it('a tokenizer without special tokens or pairs has none', () => {
  const bare: EncodeProbe = (text) => [text.charCodeAt(0)];
  expect(probeFrames(bare)).toEqual({ single: { before: [], between: [], after: [] }, pair: undefined });
});

const { single, pair } = probeFrames(bert);
const tokens = fc
  .array(fc.integer({ min: 1, max: 99 }), { maxLength: 20 })
  .map((ids) => Int32Array.from(ids));

describe('cutting', () => {
  it('keeps the special tokens and the beginning', () => {
    fc.assert(
      fc.property(tokens, fc.integer({ min: 3, max: 25 }), (text, most) => {
        const row = frameTokens(single, [text], most);
        const kept = Math.min(text.length, most - 2);
        expect([...row.tokens]).toEqual([CLS, ...text.subarray(0, kept), SEP]);
        expect(row.secondFrom).toBeUndefined();
      }),
    );
  });

  it('takes from the longer text of a pair', () => {
    fc.assert(
      fc.property(tokens, tokens, fc.integer({ min: 5, max: 45 }), (first, second, most) => {
        const row = frameTokens(pair ?? single, [first, second], most);
        expect(row.tokens.length).toBe(Math.min(most, first.length + second.length + 3));
        const [a, b] = [(row.secondFrom ?? 0) - 2, row.tokens.length - (row.secondFrom ?? 0) - 1];
        expect(a === first.length || a >= b - 1).toBe(true);
        expect(b === second.length || b >= a - 1).toBe(true);
        expect([...row.tokens]).toEqual([CLS, ...first.subarray(0, a), SEP, ...second.subarray(0, b), SEP]);
      }),
    );
  });

  it('of ready tokens keeps the last special one, if they end with it', () => {
    expect([...cutTokens(single, Int32Array.of(CLS, 1, 2, 3, SEP), 4)]).toEqual([CLS, 1, 2, SEP]);
    expect([...cutTokens(single, Int32Array.of(CLS, 1, 2, 3, 4), 4)]).toEqual([CLS, 1, 2, 3]);
    expect([...cutTokens(single, Int32Array.of(CLS, SEP), 4)]).toEqual([CLS, SEP]);
  });
});

it('counts the special tokens', () => {
  expect(pair && frameLength(pair)).toBe(3);
});
