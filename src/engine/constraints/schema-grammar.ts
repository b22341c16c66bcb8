import { isDisjoint } from './disjoint.js';
import { array, BOOLEAN, COLON, jsonRules, NULL, object, quoted } from './json-patterns.js';
import { choice, GrammarError, literal, NOTHING, rule, sequence, type Pattern } from './pattern.js';
import {
  readKeywords,
  refuseOthers,
  TYPE_KEYWORDS,
  typesOf,
  type Keywords,
  type SchemaObject,
  type SchemaType,
} from './schema-keywords.js';
import type { Rules } from './rules.js';
import { checkCounts, numberOf, stringOf } from './schema-values.js';
import { anyOfTexts, otherThan } from './texts.js';

/**
 * Makes rules of JSON Schemas: every text of the grammar is JSON in one line that satisfies the schema. Not every such JSON is in the
 * grammar (properties come in the order of the schema, numbers have 15 digits at most); keywords that aren't enforced are refused.
 */
export class SchemaGrammar {
  /** JSON's own, and one for each schema. */
  readonly rules: Rules;
  readonly #names = new Map<unknown, string>();
  /** Named, but not yet defined. */
  readonly #open: { readonly name: string; readonly schema: SchemaObject; readonly path: string }[] = [];
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
    const pattern = this.#refer(schema, path);
    // what is found in it is defined in turn, not inside: however long a chain of $ref is, the stack isn't
    for (let next = this.#open.pop(); next; next = this.#open.pop()) {
      this.rules.set(next.name, this.#define(next.schema, next.path));
    }
    return pattern;
  }

  #refer(schema: unknown, path: string): Pattern {
    if (schema === true) return rule('value');
    if (schema === false) return NOTHING;
    if (!isObject(schema)) throw new GrammarError(`${path} is not a schema`);
    let name = this.#names.get(schema);
    if (name === undefined) {
      name = `${this.#prefix}schema ${this.#names.size}`;
      this.#names.set(schema, name);
      this.#open.push({ name, schema, path });
    }
    return rule(name);
  }

  #define(schema: SchemaObject, path: string): Pattern {
    const keywords = readKeywords(schema, path);
    const { $ref, anyOf, oneOf, allOf } = keywords;
    if ('const' in schema || keywords.enum) return this.#values(schema, keywords, path);
    if ($ref !== undefined) {
      refuseOthers(schema, ['$ref'], path);
      return this.#refer(this.#resolve($ref), $ref);
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
    return choice(options.map((option, i) => this.#refer(option, `${path}/${name}/${i}`)));
  }

  #values(schema: SchemaObject, keywords: Keywords, path: string): Pattern {
    refuseOthers(schema, ['const', 'enum', 'type'], path);
    const listed = 'const' in schema ? [keywords.const] : (keywords.enum ?? []);
    const types = keywords.type === undefined ? undefined : [keywords.type].flat();
    const among = keywords.enum && new Set(keywords.enum.map((value) => JSON.stringify(value)));
    const values = listed
      .filter((value) => !types || types.some((type) => isOfType(value, type)))
      .map((value) => JSON.stringify(value))
      .filter((text) => among?.has(text) ?? true);
    return values.length > 0 ? anyOfTexts(values) : NOTHING;
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
        return stringOf(keywords, path, this.rules);
      case 'integer':
      case 'number':
        return numberOf(keywords, type === 'integer', this.rules);
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
      const value = this.#refer(schema, `${path}/properties/${name}`);
      return {
        pattern: sequence(literal(JSON.stringify(name)), COLON, value),
        optional: !required.includes(name),
      };
    });
    const value = this.#refer(others, `${path}/additionalProperties`);
    if (value === NOTHING) return object({ items, rest: undefined });
    const name =
      items.length === 0 ? rule('string') : quoted(otherThan([...names, ...undeclared], this.rules));
    return object({ items, rest: sequence(name, COLON, value) });
  }

  #array(
    { items = true, prefixItems = [], minItems = 0, maxItems = Infinity }: Keywords,
    path: string,
  ): Pattern {
    checkCounts('Items', minItems, maxItems, path);
    const first = prefixItems
      .slice(0, maxItems)
      .map((item, i) => this.#refer(item, `${path}/prefixItems/${i}`));
    const rest = this.#refer(items, `${path}/items`);
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
