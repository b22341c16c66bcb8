import { GrammarError, type Pattern } from './pattern.js';
import { regexPattern } from './regex-pattern.js';
import type { Rules } from './rules.js';

const MONTH_DAY =
  '(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))';
const DATE = `[0-9]{4}-${MONTH_DAY}`;
const CLOCK = '(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?';
const BYTE = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?';

/** Subsets: a string that one of these makes is of the format, not every string of the format is made. */
const FORMATS: ReadonlyMap<string, string> = new Map([
  ['date', DATE],
  ['time', `${CLOCK}Z`],
  ['date-time', `${DATE}T${CLOCK}Z`],
  ['uuid', '[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'],
  ['ipv4', `${BYTE}(?:\\.${BYTE}){3}`],
  ['hostname', `${LABEL}(?:\\.${LABEL}){0,4}`],
  ['email', `[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+){0,4}@${LABEL}(?:\\.${LABEL}){0,3}\\.[A-Za-z]{2,10}`],
]);

/**
 * @param rules to add what its characters need to
 * @throws GrammarError for a format that isn't known
 */
export function formatPattern(name: string, rules: Rules): Pattern {
  const source = FORMATS.get(name);
  if (source !== undefined) return regexPattern(`^${source}$`, rules);
  const known = [...FORMATS.keys()].join(', ');
  throw new GrammarError(`the format '${name}' is not supported (supported are ${known})`);
}
