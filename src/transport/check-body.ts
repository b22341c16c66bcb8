import { InvalidRequestError } from '../engine/errors.js';

/**
 * Most values that a body may hold, token ids aside. A schema tells everything that is wrong: with millions of values that would
 * take many seconds, in which nobody else is answered.
 */
export const MOST_VALUES = 100_000;

/** Fields of a body whose arrays may hold token ids, as many as there are. */
const TOKEN_FIELDS: ReadonlySet<string> = new Set(['prompt', 'input', 'tokens']);

/**
 * What no schema has to look at: too many values, and keys that would change prototypes, wherever they are.
 * @throws InvalidRequestError
 */
export function checkBody(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  checkKeys(body);
  let values = 0;
  for (const [name, value] of Object.entries(body)) {
    values += countValues(value, TOKEN_FIELDS.has(name));
    if (values > MOST_VALUES)
      throw new InvalidRequestError('invalid_value', `The body holds more than ${MOST_VALUES} values.`, {
        param: name,
      });
  }
}

/** Stops when there are too many. Nesting may be deep: the stack is its own. */
function countValues(root: unknown, isTokenField: boolean): number {
  let values = 1;
  const rest: object[] = typeof root === 'object' && root !== null ? [root] : [];
  for (let parent = rest.pop(); parent && values <= MOST_VALUES; parent = rest.pop()) {
    checkKeys(parent);
    const mayBeTokens = isTokenField && Array.isArray(parent);
    for (const value of childrenOf(parent)) {
      if (mayBeTokens && isTokenId(value)) continue;
      if (++values > MOST_VALUES) break;
      if (typeof value === 'object' && value !== null) rest.push(value);
    }
  }
  return values;
}

function childrenOf(parent: object): readonly unknown[] {
  return Array.isArray(parent) ? parent : Object.values(parent);
}

function isTokenId(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function checkKeys(value: object): void {
  if (!Object.hasOwn(value, '__proto__')) return;
  const param = '__proto__';
  throw new InvalidRequestError('unknown_parameter', `Unknown parameter: '${param}'.`, { param });
}
