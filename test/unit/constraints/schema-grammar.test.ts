import { describe, expect, it } from 'vitest';
import { GrammarError } from '../../../src/engine/constraints/pattern.js';
import { accepts, automatonOf, automatonOfSchema } from '../helpers/grammars.js';
import { thrown } from '../helpers/thrown.js';

describe('a text of the grammar', () => {
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
    [{ enum: ['a', 'ab', 'b', '', 'a'] }, ['"a"', '"ab"', '"b"', '""'], ['"abc"', '"ba"', 'a']],
    [
      { type: 'number', exclusiveMinimum: 0, maximum: 10 },
      ['0.000001', '10', '9.999999', '3'],
      ['0', '0.0', '10.1', '-1', '00.1', '1.'],
    ],
    [
      { anyOf: [{ items: { $ref: '#' } }, { items: { $ref: '#' }, minItems: 2 }, { type: 'null' }] },
      ['null', `${'['.repeat(40)}null${']'.repeat(40)}`, '[[null, null],[]]'],
      ['[', '[null,]', '{}'],
    ],
    [
      { type: 'object', properties: { é: {}, éa: {} }, additionalProperties: { type: 'null' } },
      ['{"é":1,"éa":2,"éb":null,"è":null,"":null}', '{"a":null}'],
      ['{"éb":1}', '{"é":1,"é":null}'],
    ],
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
});
