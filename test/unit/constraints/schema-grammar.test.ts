import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Random } from '../../../src/engine/generation/random.js';
import { GrammarError } from '../../../src/engine/constraints/pattern.js';
import { accepts, automatonOf, automatonOfSchema, randomText } from '../helpers/grammars.js';
import { thrown } from '../helpers/thrown.js';

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** A schema of all that is supported, nested at random. */
function randomSchema(random: Random, depth = 0): object {
  const below = (ways: number): number => Math.floor(random.next() * ways);
  const inner = (): object => randomSchema(random, depth + 1);
  const pick = <T>(...values: readonly T[]): T => values[below(values.length)] as T;
  const simple: readonly (() => object)[] = [
    () => ({ type: pick('boolean', 'null', 'integer', 'number', 'string') }),
    () => ({ type: pick('integer', 'number'), minimum: below(4000) - 2000, maximum: 2000 + below(3000) }),
    () => ({ type: 'number', exclusiveMinimum: below(100) / 8 - 6, maximum: 7 + below(20) / 3 }),
    () => ({ type: 'string', minLength: below(4), maxLength: 4 + below(5) }),
    () => ({ type: 'string', pattern: pick('^[a-c]{2,4}$', '^(?:x|yy)*z?$', '^\\d+-\\w$', 'q"[^a-y]$') }),
    () => ({ type: 'string', format: pick('date', 'date-time', 'uuid', 'ipv4', 'email') }),
    () => ({ enum: [pick('a"b', 'é', ''), below(100), null] }),
  ];
  const nested: readonly (() => object)[] = [
    () => ({ anyOf: [inner(), inner()] }),
    () => ({ type: 'array', items: inner(), minItems: below(3), maxItems: 2 + below(3) }),
    () => {
      const properties = Object.fromEntries(
        ['a', 'b"', 'bc', 'é'].slice(below(4)).map((name) => [name, inner()]),
      );
      const required = Object.keys(properties).filter(() => below(2) === 0);
      return { type: 'object', properties, required, additionalProperties: below(2) === 0 };
    },
  ];
  return pick(...(depth < 3 && below(3) > 0 ? nested : simple))();
}

describe('a text of the grammar of a schema', () => {
  it('is JSON that satisfies the schema', () => {
    let ended = 0;
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      const schema = randomSchema(random);
      const text = randomText(automatonOfSchema(schema), (ways) => Math.floor(random.next() * ways));
      if (text === undefined) continue;
      ended++;
      // zod counts a character beyond the basic plane as two, JSON Schema as one
      if (/\p{Surrogate}|[\u{10000}-\u{10FFFF}]/u.test(text)) continue;
      const result = z.fromJSONSchema(schema as JsonSchema).safeParse(JSON.parse(text));
      expect({ seed, text, schema, valid: result.success }).toMatchObject({ valid: true });
    }
    expect(ended).toBeGreaterThan(150);
  });

  it('is an object where only JSON is asked for', () => {
    const automaton = automatonOf({ kind: 'json' });
    expect(accepts(automaton, '{"a": [1, 2.5e3, null, {"b":"\\u00e9\\n"}], "c":true}')).toBe(true);
    for (const text of [
      '[1]',
      '{"a":1',
      "{'a':1}",
      '{"a":01}',
      '{"a":1,}',
      '{"a":"\n"}',
      '{"a":"\\ud800"}',
    ]) {
      expect({ text, fits: accepts(automaton, text) }).toEqual({ text, fits: false });
    }
  });
});

describe('what a schema says', () => {
  it.each([
    [
      { type: 'integer', minimum: 7, maximum: 112 },
      ['7', '99', '112'],
      ['6', '113', '07', '7.0', '-7', '1e2'],
    ],
    [
      { type: 'number', minimum: -0.25, exclusiveMaximum: 1 },
      ['-0.25', '0', '0.999', '-0.1'],
      ['1', '1.0', '-0.26'],
    ],
    [{ type: 'integer', minimum: 3 }, ['3', '123456789012345'], ['2', '1234567890123456']],
    [{ type: 'string', pattern: '^a|b$' }, ['"a"', '"axx"', '"xb"'], ['"xa"', '"bx"']],
    [{ type: 'string', pattern: '^["\\\\]\\t$' }, ['"\\"\\t"', '"\\\\\\t"'], ['""\\t"']],
    [{ type: 'string', maxLength: 2 }, ['""', '"\u{1F451}é"', '"\\n\\u00e9"'], ['"abc"']],
    [{ const: { a: [1, 'x'] } }, ['{"a":[1,"x"]}'], ['{"a":[1]}']],
    [{ enum: [1, 'a'], type: 'string' }, ['"a"'], ['1']],
    [{ type: ['string', 'null'], maxLength: 1 }, ['null', '"a"'], ['"ab"', '1']],
    [
      { properties: { a: {}, b: { type: 'null' } }, required: ['b'] },
      ['{"a":1,"b":null}', '{"b": null}'],
      ['{"a":1}', '{}', '{"b":null,"a":1}', '{"b":null,"c":1}'],
    ],
    [
      { properties: { ab: { type: 'null' } }, additionalProperties: { type: 'integer' } },
      ['{}', '{"ab":null,"a":1,"abc":2}', '{"a":1}'],
      ['{"ab":1}', '{"a":null}'],
    ],
    [{ prefixItems: [{ type: 'null' }], items: false }, ['[null]'], ['[]', '[null,1]']],
    [
      { oneOf: [{ type: 'object', properties: { k: { const: 1 } }, required: ['k'] }, { type: 'null' }] },
      ['{"k":1}', 'null'],
      ['1'],
    ],
    [
      { $ref: '#/$defs/list', $defs: { list: { properties: { next: { $ref: '#/$defs/list' } } } } },
      ['{}', '{"next":{"next":{}}}'],
      ['{"next":1}'],
    ],
  ])('%j is what its texts are', (schema, texts, others) => {
    const automaton = automatonOfSchema(schema);
    for (const text of texts) expect({ text, fits: accepts(automaton, text) }).toEqual({ text, fits: true });
    for (const text of others)
      expect({ text, fits: accepts(automaton, text) }).toEqual({ text, fits: false });
  });
});

describe('a schema that cannot be enforced is refused:', () => {
  it.each([
    [{ type: 'array', uniqueItems: true }, "'uniqueItems' at # is not supported"],
    [{ type: 'object', properties: { a: { not: {} } } }, "'not' at #/properties/a is not supported"],
    [{ anyOf: [{}], type: 'string' }, "'type' at # is not supported beside 'anyOf'"],
    [{ type: 'integer', multipleOf: 3 }, "'multipleOf'"],
    [{ allOf: [{}, {}] }, "'allOf' of several"],
    [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, "'oneOf' at #"],
    [{ $ref: 'http://x.y/z' }, 'leads out of the schema'],
    [{ $ref: '#' }, 'no JSON can satisfy it'],
    [{ properties: { a: { $ref: '#' } }, required: ['a'] }, 'no JSON can satisfy it'],
    [{ type: 'string', pattern: '(?=a)' }, 'look-around'],
    [{ type: 'string', pattern: '(a)\\1' }, "'\\1'"],
    [{ type: 'string', pattern: '(' }, 'not a regular expression'],
    [{ type: 'string', pattern: '((a{1,500}){1,500}){1,500}' }, 'too large'],
    [{ type: 'string', maxLength: 1e6 }, 'minLength or maxLength'],
    [{ type: 'string', format: 'iri' }, "the format 'iri'"],
    [{ type: 'integer', minimum: 3, maximum: 2 }, 'no number is within its bounds'],
    [{ type: 'number', maximum: 1e300 }, 'too large a bound'],
    [{ anyOf: [{ $ref: '#' }, { type: 'null' }] }, 'leads back to itself'],
    [{ type: 'string', minLength: 3, maxLength: 2 }, 'greater than'],
    [false, 'no JSON can satisfy it'],
    [7, 'is not a schema'],
  ])('%j', (schema, why) => {
    expect(thrown(GrammarError, () => automatonOfSchema(schema)).message).toContain(why);
  });

  it('one nested too deeply', () => {
    let schema: object = {};
    for (let i = 0; i < 500; i++) schema = { type: 'array', items: schema };
    expect(thrown(GrammarError, () => automatonOfSchema(schema)).message).toContain('deeply');
  });
});

it('compiling takes no longer than a step or two, whatever the schema', () => {
  const words = Array.from({ length: 2000 }, (_, i) => `word number ${i}`);
  const wide = Object.fromEntries(
    words.slice(0, 500).map((word) => [word, { type: 'string', maxLength: 30 }]),
  );
  for (const schema of [{ enum: words }, { properties: wide }, { type: 'string', pattern: '(x+x+)+y' }]) {
    automatonOfSchema(schema); // warm-up
    const started = performance.now();
    automatonOfSchema(schema);
    expect(performance.now() - started).toBeLessThan(500);
  }
});
