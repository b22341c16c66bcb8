import { jsonCharacter, ANY_CHARACTER, complement } from './characters.js';
import { numbersWithin } from './decimal-range.js';
import {
  array,
  BOOLEAN,
  COLON,
  INTEGER,
  jsonRules,
  NULL,
  NUMBER,
  object,
  quoted,
  string,
} from './json-patterns.js';
import { isDisjoint } from './disjoint.js';
import {
  choice,
  EMPTY,
  GrammarError,
  literal,
  NOTHING,
  repeat,
  rule,
  sequence,
  type Pattern,
  type Range,
} from './pattern.js';
import { regexPattern } from './regex-pattern.js';
import {
  readKeywords,
  refuseOthers,
  TYPE_KEYWORDS,
  typesOf,
  type Keywords,
  type SchemaObject,
  type SchemaType,
} from './schema-keywords.js';
import { formatPattern } from './string-formats.js';

/** A grammar's automaton has a node for each repetition. */
const MOST_REPETITIONS = 20_000;
const MOST_DEPTH = 100;

/**
 * Makes rules of JSON Schemas: every text of the grammar is JSON in one line that satisfies the schema. Not every such JSON is in the
 * grammar (properties come in the order of the schema, numbers have 15 digits at most); keywords that aren't enforced are refused.
 */
export class SchemaGrammar {
  /** JSON's own, and one for each schema. */
  readonly rules: Map<string, Pattern>;
  readonly #names = new Map<unknown, string>();
  readonly #root: unknown;
  readonly #prefix: string;

  /**
   * @param root what `$ref` refers into
   * @param rules to add to: JSON's own, and those of other schemas
   * @param prefix of the names of its rules
   */
  constructor(root: unknown, rules = jsonRules(), prefix = '') {
    this.#root = root;
    this.rules = rules;
    this.#prefix = prefix;
  }

  /**
   * @param path where the schema is, as it is told in errors
   * @throws GrammarError
   */
  patternOf(schema: unknown, path = '#'): Pattern {
    if (schema === true) return rule('value');
    if (schema === false) return NOTHING;
    if (!isObject(schema)) throw new GrammarError(`${path} is not a schema`);
    if (path.split('/').length > MOST_DEPTH) throw new GrammarError('it is nested too deeply');
    let name = this.#names.get(schema);
    if (name === undefined) {
      name = `${this.#prefix}schema ${this.#names.size}`;
      this.#names.set(schema, name);
      this.rules.set(name, NOTHING); // its place; below it may be named already
      this.rules.set(name, this.#define(schema, path));
    }
    return rule(name);
  }

  #define(schema: SchemaObject, path: string): Pattern {
    const keywords = readKeywords(schema, path);
    const { $ref, anyOf, oneOf, allOf } = keywords;
    if ('const' in schema || keywords.enum) return this.#values(schema, keywords, path);
    if ($ref !== undefined) {
      refuseOthers(schema, ['$ref'], path);
      return this.patternOf(this.#resolve($ref), $ref);
    }
    const options = anyOf ?? oneOf ?? allOf;
    if (!options) return this.#typed(schema, keywords, path);
    const name = anyOf ? 'anyOf' : oneOf ? 'oneOf' : 'allOf';
    refuseOthers(schema, [name], path);
    if (name === 'allOf' && options.length > 1)
      throw new GrammarError(`'allOf' of several schemas at ${path} is not supported`);
    if (name === 'oneOf' && !isDisjoint(options, (ref) => this.#resolve(ref))) {
      throw new GrammarError(
        `'oneOf' at ${path} is only supported where its schemas have different types, or different constants in one required property; use anyOf`,
      );
    }
    return choice(options.map((option, i) => this.patternOf(option, `${path}/${name}/${i}`)));
  }

  #values(schema: SchemaObject, keywords: Keywords, path: string): Pattern {
    refuseOthers(schema, ['const', 'enum', 'type'], path);
    const listed = 'const' in schema ? [keywords.const] : (keywords.enum ?? []);
    const types = keywords.type === undefined ? undefined : [keywords.type].flat();
    const among = keywords.enum?.map((value) => JSON.stringify(value));
    const values = listed
      .filter((value) => !types || types.some((type) => isOfType(value, type)))
      .map((value) => JSON.stringify(value))
      .filter((text) => among?.includes(text) ?? true);
    return choice([...new Set(values)].map(literal));
  }

  #typed(schema: SchemaObject, keywords: Keywords, path: string): Pattern {
    refuseOthers(schema, TYPE_KEYWORDS, path);
    const types = typesOf(schema, keywords);
    if (!types) return rule('value');
    return choice(types.map((type) => this.#ofType(type, keywords, path)));
  }

  #ofType(type: SchemaType, keywords: Keywords, path: string): Pattern {
    switch (type) {
      case 'object':
        return this.#object(keywords, path);
      case 'array':
        return this.#array(keywords, path);
      case 'string':
        return stringOf(keywords, path);
      case 'integer':
      case 'number':
        return numberOf(keywords, type === 'integer');
      case 'boolean':
        return BOOLEAN;
      case 'null':
        return NULL;
      default:
        return type satisfies never;
    }
  }

  #object({ properties: declared, required = [], additionalProperties }: Keywords, path: string): Pattern {
    const properties = declared ?? {};
    const names = Object.keys(properties);
    const others = additionalProperties ?? declared === undefined;
    const undeclared = required.filter((name) => !names.includes(name));
    const items = [...names, ...new Set(undeclared)].map((name) => {
      const schema = Object.hasOwn(properties, name) ? properties[name] : others;
      const value = this.patternOf(schema, `${path}/properties/${name}`);
      return {
        pattern: sequence(literal(JSON.stringify(name)), COLON, value),
        optional: !required.includes(name),
      };
    });
    const value = this.patternOf(others, `${path}/additionalProperties`);
    if (value === NOTHING) return object({ items, rest: undefined });
    const name = items.length === 0 ? rule('string') : otherThan([...names, ...undeclared]);
    return object({ items, rest: sequence(name, COLON, value) });
  }

  #array(
    { items = true, prefixItems = [], minItems = 0, maxItems = Infinity }: Keywords,
    path: string,
  ): Pattern {
    checkCounts('Items', minItems, maxItems, path);
    const first = prefixItems
      .slice(0, maxItems)
      .map((item, i) => this.patternOf(item, `${path}/prefixItems/${i}`));
    const rest = this.patternOf(items, `${path}/items`);
    const least = Math.max(0, minItems - first.length);
    if (rest !== NOTHING) return array(first, rest, least, maxItems - first.length);
    return least > 0 ? NOTHING : array(first, undefined, 0, 0);
  }

  #resolve(ref: string): unknown {
    if (ref !== '#' && !ref.startsWith('#/')) {
      throw new GrammarError(`the $ref '${ref}' leads out of the schema`);
    }
    let found = this.#root;
    for (const part of ref.split('/').slice(1)) {
      const name = decode(part);
      const holder = found;
      found = isObject(holder) || Array.isArray(holder) ? (holder as SchemaObject)[name] : undefined;
      if (found === undefined || !Object.hasOwn(holder as object, name)) {
        throw new GrammarError(`there is nothing where the $ref '${ref}' leads`);
      }
    }
    return found;
  }
}

function stringOf(keywords: Keywords, path: string): Pattern {
  const { minLength = 0, maxLength = Infinity, pattern, format } = keywords;
  const bounded = keywords.minLength !== undefined || keywords.maxLength !== undefined;
  if ([pattern !== undefined, format !== undefined, bounded].filter(Boolean).length > 1) {
    throw new GrammarError(
      `only one of pattern, format and minLength/maxLength is supported together, at ${path}`,
    );
  }
  if (pattern !== undefined) return quoted(regexPattern(pattern));
  if (format !== undefined) return quoted(formatPattern(format));
  checkCounts('Length', minLength, maxLength, path);
  return bounded ? string(minLength, maxLength) : rule('string');
}

function numberOf(keywords: Keywords, integer: boolean): Pattern {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = keywords;
  const lows = [minimum, exclusiveMinimum].filter((bound) => bound !== undefined);
  const highs = [maximum, exclusiveMaximum].filter((bound) => bound !== undefined);
  if (lows.length + highs.length === 0) return integer ? INTEGER : NUMBER;
  const least = lows.length > 0 ? Math.max(...lows) : undefined;
  const most = highs.length > 0 ? Math.min(...highs) : undefined;
  return numbersWithin(
    {
      least,
      most,
      aboveLeast: least !== undefined && least === exclusiveMinimum,
      belowMost: most !== undefined && most === exclusiveMaximum,
    },
    integer,
  );
}

function checkCounts(what: string, least: number, most: number, path: string): void {
  if (least > most) throw new GrammarError(`min${what} is greater than max${what} at ${path}`);
  if (least > MOST_REPETITIONS || (most !== Infinity && most > MOST_REPETITIONS)) {
    throw new GrammarError(
      `more than ${MOST_REPETITIONS} in min${what} or max${what} at ${path} is not supported`,
    );
  }
}

/** A JSON string, without escapes, that is none of these. */
function otherThan(names: readonly string[]): Pattern {
  const any = repeat(jsonCharacter(ANY_CHARACTER), 0, Infinity);
  const beyond = (left: readonly string[]): Pattern => {
    const firsts = [...new Set(left.flatMap((name) => Array.from(name).slice(0, 1)))];
    const codes = firsts.map((first): Range => [
      first.codePointAt(0) as number,
      first.codePointAt(0) as number,
    ]);
    const ways = firsts.map((first, i) =>
      sequence(
        jsonCharacter([codes[i] as Range]),
        beyond(left.filter((name) => name.startsWith(first)).map((name) => name.slice(first.length))),
      ),
    );
    const other = sequence(jsonCharacter(complement(codes)), any);
    return choice([...(left.includes('') ? [] : [EMPTY]), ...ways, other]);
  };
  return quoted(beyond(names));
}

function isOfType(value: unknown, type: SchemaType): boolean {
  switch (type) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'null':
      return value === null;
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type;
    default:
      return type satisfies never;
  }
}

function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A part of a JSON pointer in a URI. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return part;
  }
}
