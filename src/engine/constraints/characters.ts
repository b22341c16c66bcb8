import { byte, choice, literal, sequence, type Pattern, type Range } from './pattern.js';
import type { Rules } from './rules.js';

const LAST_CODE_POINT = 0x10ffff;
/** Code points that UTF-8 writes with as many bytes; surrogates are none. */
const LENGTHS: readonly Range[] = [
  [0, 0x7f],
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0xe000, 0xffff],
  [0x10000, LAST_CODE_POINT],
];
/** What can't stand for itself in a JSON string: control characters, `"` and `\`. */
const PLAIN_RANGES: readonly Range[] = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, LAST_CODE_POINT],
];
const SHORT_ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x22, '\\"'],
  [0x5c, '\\\\'],
  [0x08, '\\b'],
  [0x0c, '\\f'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
]);

export const ANY_CHARACTER: readonly Range[] = [[0, LAST_CODE_POINT]];

/** Those of ASCII that stand for themselves. */
const SHORT_RANGES = intersect(PLAIN_RANGES, [[0, 0x7f]]);
const LONG_RANGES = complement(SHORT_RANGES);

/**
 * The same as `jsonCharacter`, small where it stands: what is more than a byte becomes a rule.
 * @param rules to add that to
 */
export function sharedCharacter(set: readonly Range[], rules: Rules): Pattern {
  const long = intersect(set, LONG_RANGES);
  const short = byte(...intersect(set, SHORT_RANGES));
  if (long.length === 0) return short;
  return choice([short, rules.share(`characters ${JSON.stringify(long)}`, () => jsonCharacter(long))]);
}

/** One character of this set as it stands in a JSON string: itself, or its short escape where it must be escaped. */
export function jsonCharacter(set: readonly Range[]): Pattern {
  const plain = intersect(set, PLAIN_RANGES).flatMap(utf8);
  const escaped = [...SHORT_ESCAPES].filter(([code]) =>
    set.some(([low, high]) => low <= code && code <= high),
  );
  return choice([...plain, ...escaped.map(([, text]) => literal(text))]);
}

export function intersect(a: readonly Range[], b: readonly Range[]): Range[] {
  return a.flatMap(([low, high]) =>
    b
      .map(([from, to]): Range => [Math.max(low, from), Math.min(high, to)])
      .filter(([from, to]) => from <= to),
  );
}

/** All code points but these. */
export function complement(set: readonly Range[]): Range[] {
  const result: Range[] = [];
  let next = 0;
  for (const [low, high] of set.toSorted((a, b) => a[0] - b[0])) {
    if (low > next) result.push([next, low - 1]);
    next = Math.max(next, high + 1);
  }
  return next <= LAST_CODE_POINT ? [...result, [next, LAST_CODE_POINT]] : result;
}

/** The bytes of a range of code points. */
function utf8(range: Range): Pattern[] {
  return intersect([range], LENGTHS).flatMap(([low, high]) =>
    bytesBetween([...Buffer.from(String.fromCodePoint(low))], [...Buffer.from(String.fromCodePoint(high))]),
  );
}

/** Byte strings of one length from `low` to `high`, whose bytes behind the first may be 0x80 to 0xBF. */
function bytesBetween(low: readonly number[], high: readonly number[]): Pattern[] {
  const [first, ...lowRest] = low as [number, ...number[]];
  const [last, ...highRest] = high as [number, ...number[]];
  if (lowRest.length === 0) return [byte([first, last])];
  const lowest = lowRest.map(() => 0x80);
  const highest = lowRest.map(() => 0xbf);
  if (first === last) return startingWith([first, first], bytesBetween(lowRest, highRest));
  const wholeFrom = isSame(lowRest, lowest) ? first : first + 1;
  const wholeTo = isSame(highRest, highest) ? last : last - 1;
  return [
    ...(wholeFrom > first ? startingWith([first, first], bytesBetween(lowRest, highest)) : []),
    ...(wholeFrom <= wholeTo ? startingWith([wholeFrom, wholeTo], bytesBetween(lowest, highest)) : []),
    ...(wholeTo < last ? startingWith([last, last], bytesBetween(lowest, highRest)) : []),
  ];
}

function startingWith(first: Range, rests: readonly Pattern[]): Pattern[] {
  return rests.map((rest) => sequence(byte(first), rest));
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.every((value, i) => value === b[i]);
}
