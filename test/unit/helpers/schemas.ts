import type { Random } from '../../../src/engine/generation/random.js';

/** A schema of all that is supported, nested at random, and sometimes recursive. */
export function randomSchema(random: Random): object {
  const { schema, below } = new SchemaMaker(random);
  if (below(4) > 0) return schema(0);
  // a definition that holds itself in several places, which begin alike
  const self = {
    anyOf: [{ type: 'array', items: { $ref: '#/$defs/self' }, maxItems: 3 }, schema(1), holder()],
  };
  return { $ref: '#/$defs/self', $defs: { self } };
}

function holder(): object {
  const properties = { a: { $ref: '#/$defs/self' }, b: { type: 'integer' } };
  return { type: 'object', properties, required: ['b'], additionalProperties: false };
}

const PATTERNS = [
  '^[a-c]{2,4}$',
  '^(?:x|yy)*z?$',
  '^\\d+-\\w$',
  'q"[^a-y]$',
  '^(a?){1,9}$',
  '^.{2}é|\u{1F600}$',
];

class SchemaMaker {
  constructor(readonly random: Random) {}

  readonly below = (ways: number): number => Math.floor(this.random.next() * ways);

  readonly schema = (depth: number): object => {
    const makers = depth < 3 && this.below(3) > 0 ? this.#nested : this.#simple;
    return this.#pick(...makers)(depth + 1);
  };

  readonly #simple: readonly (() => object)[] = [
    () => ({ type: this.#pick('boolean', 'null', 'integer', 'number', 'string') }),
    () => ({
      type: this.#pick('integer', 'number'),
      minimum: this.below(4000) - 2000,
      maximum: 2000 + this.below(3000),
    }),
    () => ({ type: 'number', exclusiveMinimum: this.below(100) / 8 - 6, maximum: 7 + this.below(20) / 3 }),
    () => ({ type: 'number', minimum: this.below(9) - 4 }),
    () => ({ type: 'string', minLength: this.below(4), maxLength: 4 + this.below(5) }),
    () => ({ type: 'string', pattern: this.#pick(...PATTERNS) }),
    () => ({ type: 'string', format: this.#pick('date', 'date-time', 'uuid', 'ipv4', 'email') }),
    () => ({ enum: [this.#pick('a"b', 'é', '', 'ab'), this.below(100), null, '\u{1F600}'] }),
    () => ({ const: this.#pick<unknown>('x', 1.5, false, '\\') }),
  ];

  readonly #nested: readonly ((depth: number) => object)[] = [
    (depth) => ({ anyOf: [this.schema(depth), this.schema(depth)] }),
    (depth) => ({ allOf: [this.schema(depth)] }),
    (depth) => ({ oneOf: [{ type: 'array', items: this.schema(depth) }, { type: 'null' }] }),
    (depth) => ({
      type: 'array',
      items: this.schema(depth),
      minItems: this.below(3),
      maxItems: 2 + this.below(3),
    }),
    (depth) => ({ type: 'array', prefixItems: [this.schema(depth), this.schema(depth)], items: false }),
    (depth) => {
      const names = ['a', 'b"', 'bc', 'é'].slice(this.below(4));
      const properties = Object.fromEntries(names.map((name) => [name, this.schema(depth)]));
      const required = names.filter(() => this.below(2) === 0);
      return { type: 'object', properties, required, additionalProperties: this.below(2) === 0 };
    },
  ];

  #pick<T>(...values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}
