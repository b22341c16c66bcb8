import { deterministic } from './deterministic.js';
import {
  ascii,
  byte,
  choice,
  EMPTY,
  GrammarError,
  literal,
  repeat,
  sequence,
  type Pattern,
} from './pattern.js';
import type { Rules } from './rules.js';

/** Digits of a number: so many are exact in a double. */
const MOST_DIGITS = 15;
const GREATEST = 10 ** MOST_DIGITS - 1;
/** Digits behind the point where a number has bounds. */
const MOST_DECIMALS = 6;

const DIGIT = ascii('09');

export interface Bounds {
  readonly least: number | undefined;
  readonly most: number | undefined;
  /** The bound itself is left out. */
  readonly aboveLeast: boolean;
  readonly belowMost: boolean;
}

/** Decimal notations, without an exponent, of the numbers within bounds. */
export function numbersWithin(bounds: Bounds, integer: boolean, rules: Rules): Pattern {
  for (const bound of [bounds.least, bounds.most]) {
    if (bound !== undefined && !(Math.abs(bound) <= GREATEST))
      throw new GrammarError(`${bound} is too large a bound`);
  }
  const options: Pattern[] = [];
  for (let decimals = 0; decimals <= (integer ? 0 : MOST_DECIMALS); decimals++) {
    options.push(...withDecimals(bounds, decimals));
  }
  if (options.length === 0) throw new GrammarError('no number is within its bounds');
  return deterministic(choice(options), (set) => byte(...set), rules);
}

/** Numbers k / 10^decimals: division rounds as the parser of the text will. */
function withDecimals({ least, most, aboveLeast, belowMost }: Bounds, decimals: number): Pattern[] {
  const scale = 10 ** decimals;
  const isTooLow = (k: number): boolean =>
    least !== undefined && (aboveLeast ? k / scale <= least : k / scale < least);
  const isTooHigh = (k: number): boolean =>
    most !== undefined && (belowMost ? k / scale >= most : k / scale > most);
  let low = Math.max(-GREATEST, Math.floor((least ?? -Infinity) * scale) - 1);
  let high = Math.min(GREATEST, Math.ceil((most ?? Infinity) * scale) + 1);
  while (low <= high && isTooLow(low)) low++;
  while (low <= high && isTooHigh(high)) high--;
  if (low > high) return [];
  const negative = low < 0 ? notations(Math.max(1, -high), -low, decimals) : [];
  const positive = high >= 0 ? notations(Math.max(0, low), high, decimals) : [];
  return [...negative.map((pattern) => sequence(literal('-'), pattern)), ...positive];
}

/** Of each length; without leading zeros but the one before the point. */
function notations(low: number, high: number, decimals: number): Pattern[] {
  const options: Pattern[] = [];
  for (let length = decimals + 1; length <= Math.max(String(high).length, decimals + 1); length++) {
    const from = Math.max(low, length === decimals + 1 ? 0 : 10 ** (length - 1));
    const to = Math.min(high, 10 ** length - 1);
    if (from <= to) options.push(between(pad(from, length), pad(to, length), decimals));
  }
  return options;
}

function pad(value: number, length: number): string {
  return String(value).padStart(length, '0');
}

/** Digit strings of one length from `low` to `high`, with a point before the last `decimals` digits. */
function between(low: string, high: string, decimals: number): Pattern {
  if (low === '') return EMPTY;
  const point = low.length === decimals ? literal('.') : EMPTY;
  const [first, lowRest] = [low.charAt(0), low.slice(1)];
  const [last, highRest] = [high.charAt(0), high.slice(1)];
  const zeros = '0'.repeat(lowRest.length);
  const nines = '9'.repeat(lowRest.length);
  const from = (digits: string, rest: Pattern): Pattern => sequence(point, ascii(digits), rest);
  if (first === last) return from(first + first, between(lowRest, highRest, decimals));
  const wholeFrom = Number(first) + (lowRest === zeros ? 0 : 1);
  const wholeTo = Number(last) - (highRest === nines ? 0 : 1);
  return choice([
    ...(lowRest === zeros ? [] : [from(first + first, between(lowRest, nines, decimals))]),
    ...(wholeFrom <= wholeTo ? [from(`${wholeFrom}${wholeTo}`, anyDigits(lowRest.length, decimals))] : []),
    ...(highRest === nines ? [] : [from(last + last, between(zeros, highRest, decimals))]),
  ]);
}

function anyDigits(length: number, decimals: number): Pattern {
  if (decimals === 0 || decimals > length) return repeat(DIGIT, length, length);
  return sequence(
    repeat(DIGIT, length - decimals, length - decimals),
    literal('.'),
    repeat(DIGIT, decimals, decimals),
  );
}
