import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Automaton } from '../../../src/engine/constraints/automaton.js';
import { GrammarError } from '../../../src/engine/constraints/pattern.js';
import { accepts, automatonOfSchema } from '../helpers/grammars.js';
import { thrown } from '../helpers/thrown.js';

const characters = ['a', 'b', 'c', '-', '"', '\\', 'é', '\u2028', '\n', '\u{1F600}', '\u{1F601}'];
const ATOMS = String.raw`a b é " \\ . \d \w \W \s \S \n \0 \x61 \u00e9 \ud83d\ude00 [ab] [^a] [a-c-] [^] [] [\-a] [\b"] [^\n] [\ud83d\ude00] [^\ud83d\ude00] [^\u{1F600}]`;
const atom = fc.constantFrom('\u{1F600}', ...ATOMS.split(' '));
const quantifier = fc.constantFrom(
  '',
  '',
  '',
  '*',
  '+',
  '?',
  '{2}',
  '{0}',
  '{1,2}',
  '{0,3}',
  '{2,}',
  '*?',
  '??',
);
const { expression } = fc.letrec<{ expression: string; part: string; group: string }>((tie) => ({
  group: fc
    .tuple(fc.constantFrom('(', '(?:'), tie('expression'))
    .map(([open, inside]) => `${open}${inside})`),
  part: fc.oneof({ maxDepth: 3, withCrossShrink: true }, { weight: 3, arbitrary: atom }, tie('group')),
  expression: fc
    .array(
      fc.array(
        fc.tuple(tie('part'), quantifier).map((pair) => pair.join('')),
        { maxLength: 3 },
      ),
      { minLength: 1, maxLength: 2 },
    )
    .map((options) => options.map((parts) => parts.join('')).join('|')),
}));
const anchored = fc
  .tuple(fc.constantFrom('', '^'), expression, fc.constantFrom('', '$'))
  .map((parts) => parts.join(''));
const text = fc.array(fc.constantFrom(...characters), { maxLength: 6 }).map((some) => some.join(''));

/** The one way in which the grammar writes a string: what can stand for itself does. */
function written(value: string): string {
  return JSON.stringify(value);
}

/** @returns undefined for a pattern that is refused */
function madeOf(pattern: string): Automaton | undefined {
  try {
    return automatonOfSchema({ type: ['string', 'null'], pattern });
  } catch (error) {
    if (error instanceof GrammarError) return undefined;
    throw error;
  }
}

describe('the strings of a pattern', () => {
  it('are those that RegExp matches', () => {
    fc.assert(
      fc.property(anchored, fc.array(text, { minLength: 5, maxLength: 20 }), (pattern, texts) => {
        const regex = new RegExp(pattern, 'u');
        const automaton = madeOf(pattern);
        if (!automaton) return;
        for (const value of texts) {
          expect({ pattern, value, fits: accepts(automaton, written(value)) }).toEqual({
            pattern,
            value,
            fits: regex.test(value),
          });
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['^(a?){1,3000}$', 'too complex'],
    ['^.*a.{500}$', 'too complex'],
    ['^((a{1,30}b?){1,30}c?){1,30}$', 'too complex'],
    ['((a{1,500}){1,500}){1,500}', 'too large'],
    ['^a{6000}$', 'more than 5000 repetitions'],
    [`${'('.repeat(60)}a${')'.repeat(60)}`, 'nested groups'],
  ])('are refused if they are too many to tell apart: %s', (pattern, why) => {
    expect(thrown(GrammarError, () => automatonOfSchema({ type: 'string', pattern })).message).toContain(why);
  });

  it('are refused where many patterns together are too much', () => {
    const anyOf = Array.from({ length: 300 }, (_, i) => ({
      type: 'string',
      pattern: `^[^${i}]{1,9}.*${i}x$`,
    }));
    expect(thrown(GrammarError, () => automatonOfSchema({ anyOf })).message).toContain('too complex');
  });

  it.each([
    ['^(a?){1,100}$', 'a'.repeat(100), 'a'.repeat(101)],
    ['^[ab]*a.{20}$', `bba${'b'.repeat(20)}`, 'b'.repeat(30)],
    ['^.{1,2000}$', '\u{1F600}'.repeat(2000), 'x'.repeat(2001)],
    ['^[a-z]{1,5000}$', 'x'.repeat(5000), 'x'.repeat(5001)],
  ])('may be many: %s', (pattern, within, beyond) => {
    const automaton = automatonOfSchema({ type: 'string', pattern });
    expect(accepts(automaton, written(within))).toBe(true);
    expect(accepts(automaton, written(beyond))).toBe(false);
  });
});
