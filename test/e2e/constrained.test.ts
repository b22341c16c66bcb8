import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ModelProvider } from '../../src/index.js';
import type { Constraint } from '../../src/engine/types.js';
import { post, startApp, type TestApp } from '../support/app.js';
import { TALES } from '../support/models.js';

let server: TestApp;
let models: ModelProvider;
beforeAll(async () => {
  server = await startApp();
  models = server.app.get(ModelProvider);
});
afterAll(() => server.close());

/** Tokens of the embedded model, by their text. */
const TOKENS = (
  JSON.parse(readFileSync(join(TALES.source, 'tokenizer.json'), 'utf8')) as {
    readonly model: { readonly vocab: Readonly<Record<string, number>> };
  }
).model.vocab;

const closed = { type: 'object', additionalProperties: false } as const;

/** What schemas commonly say. */
const SCHEMAS: Readonly<Record<string, object>> = {
  nested: {
    ...closed,
    properties: {
      name: { type: 'string', maxLength: 12 },
      home: {
        ...closed,
        properties: { x: { type: 'integer' }, inside: { type: 'boolean' }, of: { type: 'null' } },
        required: ['x', 'inside', 'of'],
      },
    },
    required: ['name', 'home'],
  },
  enums: {
    ...closed,
    properties: { kind: { enum: ['king', 'queen', 3, null] }, is: { const: 'old "tale"' } },
    required: ['kind', 'is'],
  },
  'arrays with bounds': { type: 'array', items: { enum: ['a', 'b'] }, minItems: 2, maxItems: 4 },
  'integers with bounds': {
    type: 'array',
    items: { type: 'integer', minimum: -17, exclusiveMaximum: 1203 },
    minItems: 3,
    maxItems: 3,
  },
  'numbers with bounds': {
    type: 'array',
    items: { type: 'number', exclusiveMinimum: -0.5, maximum: 9.75 },
    minItems: 1,
    maxItems: 5,
  },
  numbers: { ...closed, properties: { n: { type: 'number' }, i: { type: 'integer' } }, required: ['n', 'i'] },
  'strings with bounds': {
    ...closed,
    properties: {
      a: { type: 'string', minLength: 3, maxLength: 9 },
      b: { type: 'string', pattern: '^[A-Z][a-z]{1,7}(-\\d+)?$' },
    },
    required: ['a', 'b'],
  },
  anyOf: {
    anyOf: [
      { type: 'string', maxLength: 20 },
      { type: 'null' },
      { type: 'array', items: { type: 'boolean' } },
    ],
  },
  'optional properties': {
    ...closed,
    properties: {
      a: { type: 'boolean' },
      b: { type: 'integer', minimum: 0 },
      c: { type: 'null' },
      d: { enum: [1] },
    },
    required: ['c'],
  },
  references: {
    ...closed,
    properties: { left: { $ref: '#/$defs/tree' }, when: { type: 'string', format: 'date' } },
    required: ['left', 'when'],
    $defs: {
      tree: {
        ...closed,
        properties: {
          v: { type: 'integer', minimum: 0, maximum: 99 },
          n: { $ref: '#/$defs/tree' },
        },
        required: ['v'],
      },
    },
  },
};

function nestedLists(depth: number): object {
  let schema: object = {};
  for (let i = 0; i < depth; i++) schema = { type: 'array', items: schema };
  return schema;
}

async function generate(constraint: Constraint, seed: number, more: object = {}) {
  return models.complete({
    model: 'tales',
    prompt: { kind: 'text', text: 'Once upon a time there was a king. As JSON he is ' },
    temperature: 1,
    topP: 1,
    maxTokens: 120,
    seed,
    constraint,
    ...more,
  });
}

describe('a JSON schema', () => {
  // all at once: the engine is never waiting for the last ones of a schema
  it.concurrent.each(Object.entries(SCHEMAS))(
    'with %s is satisfied by every text that ends',
    async (_name, schema) => {
      const validator = z.fromJSONSchema(schema as z.core.JSONSchema.JSONSchema);
      const seeds = Array.from({ length: 50 }, (_, seed) => seed);
      const answers = await Promise.all(seeds.map((seed) => generate({ kind: 'json-schema', schema }, seed)));
      const ended = answers.filter(({ finishReason }) => finishReason === 'stop');
      for (const { text } of ended)
        expect({ text, ...validator.safeParse(JSON.parse(text)) }).toMatchObject({ success: true });
      expect(ended.length).toBeGreaterThan(20);
    },
  );

  it('is satisfied whatever else the request says', async () => {
    const schema = SCHEMAS['nested'] as object;
    const validator = z.fromJSONSchema(schema as z.core.JSONSchema.JSONSchema);
    const requests = [
      { ignoreEos: true },
      { minTokens: 100 },
      { stop: ['"', '}', ':'] },
      { temperature: 0 },
      { topK: 3 },
      { topP: 0.5 },
      { minP: 0.2 },
      { logitBias: new Map([[0, 100]]) },
      { repetitionPenalty: 1.5, presencePenalty: 2, frequencyPenalty: 2 },
      { logprobs: 2 },
      { stopTokenIds: [TOKENS['"'], TOKENS[':']] },
    ];
    const answers = await Promise.all(
      requests.map((more, i) => generate({ kind: 'json-schema', schema }, i, more)),
    );
    for (const { finishReason, text } of answers) {
      expect(finishReason).toBe('stop');
      expect({ text, ...validator.safeParse(JSON.parse(text)) }).toMatchObject({ success: true });
    }
  });

  it('leaves the same seed with the same text', async () => {
    const constraint = { kind: 'json-schema', schema: SCHEMAS['nested'] } as const;
    const [a, b] = await Promise.all([generate(constraint, 7), generate(constraint, 7)]);
    expect(a?.text).toBe(b?.text);
  });
});

describe('response_format', () => {
  const chat = (body: object) =>
    post(`${server.url}/v1/chat/completions`, {
      model: 'tales',
      messages: [{ role: 'user', content: 'Tell me of a king.' }],
      max_tokens: 200,
      ...body,
    });
  const textOf = (body: Record<string, unknown>): string =>
    (body['choices'] as { message: { content: string } }[])[0]?.message.content ?? '';

  it('json_schema makes a chat answer of that schema', async () => {
    const response_format = {
      type: 'json_schema',
      json_schema: { name: 'a', strict: true, schema: SCHEMAS['enums'] },
    };
    const { status, body } = await chat({ response_format });
    expect(status).toBe(200);
    expect(Object.keys(JSON.parse(textOf(body)) as object)).toEqual(['kind', 'is']);
  });

  it('json_object makes an object', async () => {
    const { status, body } = await chat({ response_format: { type: 'json_object' }, seed: 3 });
    expect(status).toBe(200);
    expect(textOf(body)).toMatch(/^\{/);
  });

  it.each([
    [{ type: 'object', patternProperties: {} }, "'patternProperties' at # is not supported"],
    [{ type: 'strange' }, '#/type is not valid'],
    [{ $ref: '#/$defs/none' }, "there is nothing where the $ref '#/$defs/none' leads"],
    [
      { type: 'array', items: { type: 'string', pattern: '^(a?){1,3000}$' } },
      'use fewer or smaller repetitions',
    ],
    [{ enum: Array.from({ length: 9000 }, (_, i) => `${i} tales`) }, 'it is larger than'],
  ])('with a schema that cannot be enforced is refused: %#', async (schema, why) => {
    const { status, body } = await chat({
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema } },
    });
    expect(status).toBe(400);
    expect(body['error']).toMatchObject({ code: 'invalid_value', param: 'response_format' });
    expect((body['error'] as { message: string }).message).toContain(why);
  });

  it('with a schema nested thousands of levels deep is refused, and nobody else notices', async () => {
    const schema = nestedLists(3000);
    const parameters = { type: 'function', function: { name: 'f', parameters: schema } };
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: JSON.stringify(schema) } };
    const said = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: null, tool_calls: [call] },
    ];
    const other = chat({ max_tokens: 100, seed: 1 });
    const answers = await Promise.all([
      chat({ response_format: { type: 'json_schema', json_schema: { name: 'a', schema } } }),
      chat({ tools: [parameters] }),
      chat({ messages: said, max_tokens: 2 }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 200]);
    for (const { body } of answers.slice(0, 2)) expect(JSON.stringify(body)).toContain('nested too deeply');
    expect((await other).status).toBe(200);
  });
});
