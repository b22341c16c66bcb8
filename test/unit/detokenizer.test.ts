import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { IncrementalDetokenizer } from '../../src/engine/generation/detokenizer.js';
import { GOLDEN, GOLDEN_SKIP, TALES } from '../support/models.js';
import { loadCodec, type Tokenizing } from './helpers/tokenizers.js';

const REPLACEMENT = '\uFFFD';

const emoji = fc.constantFrom('😀', '👍🏽', '👨‍👩‍👧', '🇫🇷', '❤️', '漢字', 'é', 'e\u0301', '한', 'ש', '\u{10FFFF}');
const words = fc.constantFrom('once', ' upon', ' a', ' time', '  ', '\n', '.', ' the', 'Lily', ' 123');
const anyText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: emoji, maxLength: 30 }),
  fc.string({ unit: fc.oneof(words, emoji), maxLength: 40 }),
);
/** U+FFFD in a text looks like an unfinished character: texts with it have tests of their own. */
const texts = anyText.filter((text) => !text.includes(REPLACEMENT));
const longRuns = fc.string({ unit: emoji, minLength: 40, maxLength: 120 });

/** The pieces of a completion, in the order in which they are given out; the last is the flushed one. */
function stream(
  decode: Tokenizing['decode'],
  prompt: readonly number[],
  completion: readonly number[],
): string[] {
  const detokenizer = new IncrementalDetokenizer(decode, prompt);
  return [...completion.map((token) => detokenizer.push(token)), detokenizer.flush()];
}

/** A decoder that notes how many tokens each call has. */
function counting(inner: Tokenizing['decode']): { decode: Tokenizing['decode']; lengths: number[] } {
  const lengths: number[] = [];
  const decode = (tokens: number[]): string => {
    lengths.push(tokens.length);
    return inner(tokens);
  };
  return { decode, lengths };
}

/** Where tokens can be cut between two characters. */
function characterBoundaries({ decode }: Tokenizing, tokens: readonly number[]): number[] {
  const cuts = Array.from({ length: tokens.length + 1 }, (_, cut) => cut);
  return cuts.filter((cut) => !decode(tokens.slice(0, cut)).endsWith(REPLACEMENT));
}

/** Streams a text behind one of its possible prompts; `expected` is what the pieces must come to. */
function streamBehind(codec: Tokenizing, text: string, cut: number): { pieces: string[]; expected: string } {
  const tokens = codec.encode(text);
  const boundaries = characterBoundaries(codec, tokens);
  const prompt = tokens.slice(0, boundaries[cut % boundaries.length]);
  const pieces = stream(codec.decode, prompt, tokens.slice(prompt.length));
  return { pieces, expected: codec.decode(tokens).slice(codec.decode(prompt).length) };
}

/** Half of a surrogate pair can't be sent: it is lost in UTF-8. */
function illFormed(pieces: readonly string[]): string[] {
  return pieces.filter((piece) => /\p{Surrogate}/u.test(piece));
}

/** What a decoder says of a text that ends in the middle of a character, without that end. */
function withoutUnfinished(text: string): string {
  return text.replace(/\uFFFD+$/, '');
}

const tokenizers: readonly [title: string, folder: string | undefined][] = [
  ['byte-level BPE (the tales model)', TALES.source],
  [`SentencePiece with byte fallback (${GOLDEN_SKIP})`, GOLDEN?.model.source],
];

describe.each(tokenizers)('IncrementalDetokenizer with %s', (_, folder) => {
  describe.skipIf(folder === undefined)('streams', () => {
    let codec: Tokenizing;

    beforeAll(async () => {
      codec = await loadCodec(folder as string);
    });

    it.each([
      ['any text from an empty prompt', fc.tuple(texts, fc.constant(0)), 400],
      ['any text behind any part of it as the prompt', fc.tuple(texts, fc.nat()), 400],
      ['long runs of characters that are several tokens each', fc.tuple(longRuns, fc.nat()), 20],
    ] as const)('%s, whole and in whole characters', (__, textsAndCuts, numRuns) => {
      fc.assert(
        fc.property(textsAndCuts, ([text, cut]) => {
          const { pieces, expected } = streamBehind(codec, text, cut);
          expect(pieces.join('')).toBe(expected);
          expect(pieces.filter((piece) => piece.includes(REPLACEMENT))).toEqual([]);
          expect(illFormed(pieces)).toEqual([]);
        }),
        { numRuns },
      );
    });

    it('each character with the token that completes it', () => {
      fc.assert(
        fc.property(texts, (text) => {
          const tokens = codec.encode(text);
          const pieces = stream(codec.decode, [], tokens);
          for (const cut of characterBoundaries(codec, tokens)) {
            expect(pieces.slice(0, cut).join('')).toBe(codec.decode(tokens.slice(0, cut)));
          }
        }),
        { numRuns: 200 },
      );
    });

    it('nothing of a character that the end of the completion cuts off', () => {
      fc.assert(
        fc.property(texts, fc.nat(), (text, end) => {
          const tokens = codec.encode(text);
          const cut = tokens.slice(0, end % (tokens.length + 1));
          const streamed = stream(codec.decode, [], cut).join('');
          expect(streamed).toBe(withoutUnfinished(codec.decode(cut)));
          expect(illFormed([streamed])).toEqual([]);
        }),
        { numRuns: 400 },
      );
    });

    it('a text that itself holds replacement characters', () => {
      const unit = fc.oneof(fc.constant(REPLACEMENT), emoji, words);
      fc.assert(
        fc.property(fc.string({ unit, maxLength: 20 }), (start) => {
          const tokens = codec.encode(`${start}.`); // a text's last character is never one
          const pieces = stream(codec.decode, [], tokens);
          expect(pieces.join('')).toBe(codec.decode(tokens));
          expect(illFormed(pieces)).toEqual([]);
        }),
        { numRuns: 400 },
      );
    });

    it('whole characters behind and between invalid bytes', () => {
      const parts = codec.encode('😀漢é').filter((token) => codec.decode([token]).includes(REPLACEMENT));
      const whole = codec.encode('😀');
      const invalid = fc.oneof(
        fc.array(fc.constantFrom(...parts), { maxLength: 12 }),
        fc.nat(12).map((count) => Array.from({ length: count }, () => parts[0] as number)),
      );
      fc.assert(
        fc.property(fc.array(invalid, { maxLength: 3 }), (runs) => {
          const tokens = runs.flatMap((run) => [...run, ...whole]);
          const pieces = stream(codec.decode, [], tokens);
          expect(pieces.join('')).toBe(withoutUnfinished(codec.decode(tokens)));
          expect(illFormed(pieces)).toEqual([]);
        }),
        { numRuns: 400 },
      );
    });

    it('an end of the text in whole characters, if the prompt ends inside a character', () => {
      fc.assert(
        fc.property(fc.string({ unit: emoji, minLength: 1, maxLength: 20 }), fc.nat(), (text, cut) => {
          const tokens = codec.encode(text);
          const at = cut % tokens.length;
          const pieces = stream(codec.decode, tokens.slice(0, at), tokens.slice(at));
          expect(codec.decode(tokens).endsWith(pieces.join(''))).toBe(true);
          expect(illFormed(pieces)).toEqual([]);
        }),
        { numRuns: 400 },
      );
    });

    it('endless invalid bytes with a bounded window', () => {
      const lead = codec.encode('😀').find((token) => codec.decode([token]) === REPLACEMENT) as number;
      const { decode, lengths } = counting(codec.decode);
      const endless = Array.from({ length: 500 }, () => lead);
      const text = stream(decode, [], endless).join('');
      expect(text).toMatch(/^\uFFFD*$/);
      expect(Math.max(...lengths)).toBeLessThanOrEqual(100);
    });

    it('a long text with a bounded window', () => {
      const text = 'Once upon a time 😀 there was a 漢字. 👨‍👩‍👧👨‍👩‍👧 '.repeat(80);
      const tokens = codec.encode(text);
      const { decode, lengths } = counting(codec.decode);
      expect(stream(decode, [], tokens).join('')).toBe(codec.decode(tokens));
      expect(Math.max(...lengths)).toBeLessThanOrEqual(32);
      expect(lengths.length).toBeLessThanOrEqual(tokens.length * 3);
    });
  });
});

describe('IncrementalDetokenizer with a decoder that reads a run of bytes whole or not at all', () => {
  /** As the byte fallback of Rust's tokenizers does; the tokens are the bytes. */
  const codec: Tokenizing = {
    encode: (text) => [...Buffer.from(text)],
    decode: (bytes) => {
      const text = Buffer.from(bytes).toString();
      return text.includes(REPLACEMENT) ? REPLACEMENT.repeat(bytes.length) : text;
    },
  };

  it('streams any text whole, and never begins its window inside a character', () => {
    fc.assert(
      fc.property(fc.oneof(texts, longRuns), fc.nat(), (text, cut) => {
        const { pieces, expected } = streamBehind(codec, text, cut);
        expect(pieces.join('')).toBe(expected);
      }),
      { numRuns: 200 },
    );
  });
});
