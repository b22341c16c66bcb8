import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConstraintCompiler } from '../../../src/engine/constraints/constraint-compiler.js';
import { InvalidRequestError } from '../../../src/engine/errors.js';
import { Random } from '../../../src/engine/generation/random.js';
import type { Constraint } from '../../../src/engine/types.js';
import { randomSchema } from '../helpers/schemas.js';
import { VOCABULARY, walk } from '../helpers/vocabulary.js';

const compiler = new ConstraintCompiler({ tokens: VOCABULARY, vocabSize: VOCABULARY.length });
const compile = (schema: unknown) => compiler.compile({ kind: 'json-schema', schema });

function isValid(schema: object, text: string): boolean {
  // zod counts a character beyond the basic plane as two, JSON Schema as one
  const value = JSON.parse(text.replaceAll(/[\u{10000}-\u{10FFFF}]/gu, '?')) as unknown;
  return z.fromJSONSchema(schema as z.core.JSONSchema.JSONSchema).safeParse(value).success;
}

/** What zod can be asked about once such characters are replaced. */
const isPlain = (schema: object): boolean => !JSON.stringify(schema).includes('\u{1F600}');

describe('tokens taken at random, of those that may come', () => {
  it('always go on, and make JSON of the schema where they end', async () => {
    let ended = 0;
    for (let seed = 0; seed < 400; seed++) {
      const random = new Random(seed);
      const schema = randomSchema(random);
      const constraint = await compile(schema);
      const result = walk(constraint, (ways) => Math.floor(random.next() * ways), 300);
      if (!result.ended) continue;
      ended++;
      JSON.parse(result.text);
      const valid = isPlain(schema) ? isValid(schema, result.text) : true;
      expect({ seed, ...result, valid }).toMatchObject({ valid: true });
    }
    expect(ended).toBeGreaterThan(300);
  });

  it('always go on in calls of tools and in any JSON', async () => {
    const tools = [
      { type: 'function', function: { name: 'a', parameters: { properties: { b: {} } } } },
    ] as const;
    const constraints: Constraint[] = [{ kind: 'json' }, { kind: 'tool-calls', tools, most: 2 }];
    const tooled = new ConstraintCompiler({
      tokens: VOCABULARY,
      vocabSize: VOCABULARY.length,
      tools: { format: 'mistral', markers: new Map() },
    });
    for (const constraint of constraints) {
      for (let seed = 0; seed < 20; seed++) {
        const random = new Random(seed);
        const { text } = walk(
          await tooled.compile(constraint),
          (ways) => Math.floor(random.next() * ways),
          200,
        );
        expect(text).toMatch(constraint.kind === 'json' ? /^\{/ : /^\[TOOL_CALLS\] ?\[\{"name"/);
      }
    }
  });
});

const words = Array.from({ length: 6000 }, (_, i) => `w${i}`);
const chain = Object.fromEntries(
  words
    .slice(0, 1500)
    .map((word, i) => [word, i === 1499 ? { type: 'null' } : { $ref: `#/$defs/w${i + 1}` }]),
);
const twice = { type: 'array', items: { $ref: '#' } };
const nested = (depth: number): object => (depth === 0 ? {} : { items: nested(depth - 1) });
const deep = JSON.parse(`${'{"items":'.repeat(6000)}{}${'}'.repeat(6000)}`) as object;

describe('a schema made to be hard', () => {
  it.each<[string, object]>([
    ['a list of 6000 values', { type: 'array', items: { enum: words }, minItems: 2 }],
    ['a chain of 1500 references', { $ref: '#/$defs/w0', $defs: chain }],
    ['two ways at every level', { anyOf: [twice, { ...twice, minItems: 1 }, { type: 'null' }] }],
    [
      'a hundred bounded numbers',
      { prefixItems: words.slice(0, 100).map(() => ({ type: 'number', minimum: 0 })) },
    ],
    [
      'long strings',
      { properties: { a: { maxLength: 20_000 }, b: { maxLength: 20_000 }, c: { maxLength: 20_000 } } },
    ],
    [
      'a thousand options',
      { anyOf: words.slice(0, 1000).map((word) => ({ properties: { [word]: { type: 'null' } } })) },
    ],
    ['many emails', { prefixItems: words.slice(0, 50).map(() => ({ format: 'email' })) }],
    ['a long name', { properties: { ['n'.repeat(5000)]: { type: 'null' } }, additionalProperties: true }],
    [
      'names that begin alike',
      { properties: Object.fromEntries(words.slice(0, 900).map((word) => [word, {}])) },
    ],
    ['as deep as is allowed', nested(98)],
  ])('goes on: %s', async (_name, schema) => {
    const random = new Random(1);
    for (let i = 0; i < 3; i++) {
      const { text } = walk(await compile(schema), (ways) => Math.floor(random.next() * ways), 60);
      expect(text).not.toBe('');
    }
  });

  it.each<[string, object, string]>([
    ['too deep', deep, 'nested too deeply'],
    ['a constant too deep', { const: deep }, 'nested too deeply'],
    ['too long a list', { type: 'array', items: {}, minItems: 20_000 }, 'too large'],
    [
      'too long a name',
      { properties: { ['n'.repeat(50_000)]: {} }, additionalProperties: true },
      'too large',
    ],
    ['too complex', { items: { type: 'string', pattern: '^(a?){1,3000}$' } }, 'too complex'],
    ['itself', { anyOf: [{ $ref: '#' }, { type: 'null' }] }, 'leads back to itself'],
    ['too large', { enum: words.map((word) => `${word} and more`) }, 'larger than'],
  ])('is refused: %s', async (_name, schema, why) => {
    const refused = await compile(schema).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(InvalidRequestError);
    expect(refused).toMatchObject({ code: 'invalid_value', param: 'response_format' });
    expect((refused as Error).message).toContain(why);
  });
});
