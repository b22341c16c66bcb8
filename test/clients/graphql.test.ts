import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { query, subscribe } from '../support/graphql.js';
import { until } from '../support/server.js';

/** The graphql-ws client over a real WebSocket, and plain HTTP. */
let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server.close());

interface Chunk {
  readonly generate: {
    readonly text: string;
    readonly finishReason: string | null;
    readonly instanceId: string;
  };
}

const INPUT = { model: 'tales', prompt: 'Once upon a time', temperature: 0, maxTokens: 12 };
const STREAM =
  'subscription ($input: GenerateInput!) { generate(input: $input) { text finishReason instanceId } }';

it('subscribes to tokens: the same text as the query', async () => {
  const { body } = await query(
    server.url,
    'query ($input: GenerateInput!) { generate(input: $input) { text instanceId } }',
    { input: INPUT },
  );
  const whole = (body as { data: Chunk }).data.generate;
  const items = await subscribe<Chunk>(server.url, STREAM, { input: INPUT });
  expect(items.map(({ generate }) => generate.text).join('')).toBe(whole.text);
  expect(items.length).toBeGreaterThan(5);
  expect(items.at(-1)?.generate.finishReason).toBe('length');
  expect(new Set(items.map(({ generate }) => generate.instanceId))).toEqual(new Set([whole.instanceId]));
});

it('that unsubscribes frees the work', async () => {
  await subscribe<Chunk>(server.url, STREAM, { input: { ...INPUT, maxTokens: 1000 } }, () => false);
  await until(async () => server.app.get(ModelProvider).describe().active === 0);
});

it('learns the schema by introspection', async () => {
  const { body } = await query(server.url, getIntrospectionQuery());
  expect(body).not.toHaveProperty('errors');
  expect(JSON.stringify(body)).toContain('GenerateInput');
});
