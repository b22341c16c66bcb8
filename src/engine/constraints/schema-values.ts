import { numbersWithin } from './decimal-range.js';
import { INTEGER, NUMBER, quoted, string } from './json-patterns.js';
import { GrammarError, rule, type Pattern } from './pattern.js';
import { regexPattern } from './regex-pattern.js';
import type { Keywords } from './schema-keywords.js';
import type { Rules } from './rules.js';
import { formatPattern } from './string-formats.js';

/** A grammar has a node for each repetition. */
const MOST_REPETITIONS = 20_000;

/** @throws GrammarError */
export function stringOf(keywords: Keywords, path: string, rules: Rules): Pattern {
  const { minLength = 0, maxLength = Infinity, pattern, format } = keywords;
  const bounded = keywords.minLength !== undefined || keywords.maxLength !== undefined;
  if ([pattern !== undefined, format !== undefined, bounded].filter(Boolean).length > 1) {
    throw new GrammarError(
      `only one of pattern, format and minLength/maxLength is supported together, at ${path}`,
    );
  }
  if (pattern !== undefined) {
    return rules.share(`pattern ${pattern}`, () => quoted(regexPattern(pattern, rules)));
  }
  if (format !== undefined) {
    return rules.share(`format ${format}`, () => quoted(formatPattern(format, rules)));
  }
  if (!bounded) return rule('string');
  checkCounts('Length', minLength, maxLength, path);
  return rules.share(`string ${minLength} ${maxLength}`, () => string(minLength, maxLength));
}

/** @throws GrammarError */
export function numberOf(keywords: Keywords, integer: boolean, rules: Rules): Pattern {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = keywords;
  const lows = [minimum, exclusiveMinimum].filter((bound) => bound !== undefined);
  const highs = [maximum, exclusiveMaximum].filter((bound) => bound !== undefined);
  if (lows.length + highs.length === 0) return integer ? INTEGER : NUMBER;
  const least = lows.length > 0 ? Math.max(...lows) : undefined;
  const most = highs.length > 0 ? Math.min(...highs) : undefined;
  const bounds = {
    least,
    most,
    aboveLeast: least !== undefined && least === exclusiveMinimum,
    belowMost: most !== undefined && most === exclusiveMaximum,
  };
  return rules.share(`number ${integer} ${JSON.stringify(bounds)}`, () =>
    numbersWithin(bounds, integer, rules),
  );
}

/** @throws GrammarError if no number is within them, or they are too large */
export function checkCounts(what: string, least: number, most: number, path: string): void {
  if (least > most) throw new GrammarError(`min${what} is greater than max${what} at ${path}`);
  if (least > MOST_REPETITIONS || (most !== Infinity && most > MOST_REPETITIONS)) {
    throw new GrammarError(
      `more than ${MOST_REPETITIONS} in min${what} or max${what} at ${path} is not supported`,
    );
  }
}
