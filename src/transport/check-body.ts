import type { IncomingMessage, ServerResponse } from 'node:http';
import { InvalidRequestError } from '../engine/errors.js';

/**
 * Most values that a body may hold, token ids aside. A schema tells everything that is wrong: with millions of values that would
 * take many seconds, in which nobody else is answered.
 */
export const MOST_VALUES = 100_000;

/** Fields of a body whose arrays may hold token ids, as many as there are. */
const TOKEN_FIELDS: ReadonlySet<string> = new Set(['prompt', 'input', 'tokens']);

/** How bodies are parsed. @param limit in bytes, or like `10mb` */
export function jsonBodyOptions(limit: string | number) {
  return {
    limit,
    verify: (_request: IncomingMessage, _response: ServerResponse, body: Buffer): void => checkBytes(body),
  };
}

/**
 * Lists and objects are counted before they are made: 10 MB of `{}` take a second to parse, in which nobody else is answered.
 * @throws InvalidRequestError
 */
function checkBytes(body: Buffer): void {
  if (body.length <= MOST_VALUES) return;
  let values = 0;
  let inString = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (inString && byte === 0x5c /* \ */) at++;
    else if (byte === 0x22 /* " */) inString = !inString;
    else if (!inString && (byte === 0x5b /* [ */ || byte === 0x7b) /* { */) values++;
  }
  if (values > MOST_VALUES) throw tooManyValues();
}

function tooManyValues(param?: string): InvalidRequestError {
  return new InvalidRequestError('invalid_value', `The body holds more than ${MOST_VALUES} values.`, {
    param,
  });
}

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
    if (values > MOST_VALUES) throw tooManyValues(name);
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
