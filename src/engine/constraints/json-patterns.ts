import { ANY_CHARACTER, jsonCharacter } from './characters.js';
import { ascii, choice, literal, optional, repeat, rule, sequence, type Pattern } from './pattern.js';
import { Rules } from './rules.js';

/**
 * JSON in one line. One space may follow a comma or a colon: models know that notation best, and with any more freedom small ones
 * write white space for ever.
 */
const SPACE = optional(literal(' '));
export const COMMA = sequence(literal(','), SPACE);
export const COLON = sequence(literal(':'), SPACE);

const DIGIT = ascii('09');
const HEX = ascii('09afAF');
/** A `\u` escape of a character that is no surrogate: those come in pairs, which nobody needs to escape. */
const UNICODE_ESCAPE = sequence(
  literal('\\u'),
  choice([sequence(ascii('09acACefEF'), HEX, HEX, HEX), sequence(ascii('ddDD'), ascii('07'), HEX, HEX)]),
);
const CHARACTER = choice([jsonCharacter(ANY_CHARACTER), literal('\\/'), UNICODE_ESCAPE]);

/** A number that a double holds exactly. */
export const INTEGER = sequence(
  optional(literal('-')),
  choice([literal('0'), sequence(ascii('19'), repeat(DIGIT, 0, 14))]),
);
export const NUMBER = sequence(
  INTEGER,
  optional(sequence(literal('.'), repeat(DIGIT, 1, 15))),
  optional(sequence(ascii('eeEE'), optional(ascii('++--')), repeat(DIGIT, 1, 2))),
);
export const BOOLEAN = choice([literal('true'), literal('false')]);
export const NULL = literal('null');

export function quoted(content: Pattern): Pattern {
  return sequence(literal('"'), content, literal('"'));
}

/** A string of so many characters (code points). */
export function string(least = 0, most = Infinity): Pattern {
  return quoted(repeat(rule('character'), least, most));
}

export function object(members: Omit<Extract<Pattern, { kind: 'members' }>, 'kind' | 'comma'>): Pattern {
  return sequence(literal('{'), { kind: 'members', comma: COMMA, ...members }, literal('}'));
}

/** @param first items that are always there */
export function array(
  first: readonly Pattern[],
  rest: Pattern | undefined,
  least: number,
  most: number,
): Pattern {
  const separated = first.flatMap((item, i) => (i === 0 ? [item] : [COMMA, item]));
  const [open, close] = [literal('['), literal(']')];
  if (rest === undefined || most === 0) return sequence(open, ...separated, close);
  if (first.length > 0)
    return sequence(open, ...separated, repeat(sequence(COMMA, rest), least, most), close);
  const some = sequence(rest, repeat(sequence(COMMA, rest), Math.max(0, least - 1), most - 1));
  return sequence(open, least === 0 ? optional(some) : some, close);
}

/** Rules that every grammar of JSON has: `value` is any JSON, `object` any object. */
export function jsonRules(): Rules {
  const member = sequence(rule('string'), COLON, rule('value'));
  return new Rules([
    ['character', CHARACTER],
    ['string', string()],
    ['number', NUMBER],
    ['object', object({ items: [], rest: member })],
    ['array', array([], rule('value'), 0, Infinity)],
    ['value', choice([rule('object'), rule('array'), rule('string'), rule('number'), BOOLEAN, NULL])],
  ]);
}
