import { createClient, type Client } from 'graphql-sse';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { query } from '../support/graphql.js';
import { until } from '../support/server.js';

/** graphql-sse's own client, unmodified. */
let server: TestApp;
let client: Client;
beforeAll(async () => {
  server = await startApp();
  client = connect(server);
});
afterAll(async () => {
  client.dispose();
  await server.close();
});

const connect = ({ url }: TestApp) => createClient({ url: `${url}/graphql/stream`, retryAttempts: 0 });

const INPUT = { model: 'tales', prompt: 'Once upon a time', temperature: 0, maxTokens: 12 };
const STREAM = 'subscription ($input: GenerateInput!) { generate(input: $input) { text finishReason } }';

interface Chunk {
  readonly generate: { readonly text: string; readonly finishReason: string | null };
}

const subscription = (from: Client, input: object) =>
  from.iterate<Chunk>({ query: STREAM, variables: { input } });

it('subscribes to tokens: the same text as the query', async () => {
  const whole = (
    await query(
      server.url,
      'query ($input: GenerateInput!) { generate(input: $input) { text finishReason } }',
      { input: INPUT },
    )
  ).body as { readonly data: Chunk };
  const chunks: (Chunk | null | undefined)[] = [];
  for await (const { data, errors } of subscription(client, INPUT)) {
    expect(errors).toBeUndefined();
    chunks.push(data);
  }
  expect(chunks.map((chunk) => chunk?.generate.text).join('')).toBe(whole.data.generate.text);
  expect(chunks.length).toBeGreaterThan(5);
  expect(chunks.at(-1)?.generate.finishReason).toBe('length');
});

it('asks queries, too', async () => {
  const { value } = await client.iterate({ query: '{ models { name state } }' }).next();
  expect(value).toEqual({ data: { models: [{ name: 'tales', state: 'ready' }] } });
});

it('gets our codes', async () => {
  const { value } = await subscription(client, { ...INPUT, model: 'gpt' }).next();
  expect(value).toMatchObject({ errors: [{ extensions: { code: 'model_not_found', param: 'model' } }] });
});

it('that unsubscribes frees the work', async () => {
  for await (const _ of subscription(client, { ...INPUT, maxTokens: 1000 })) break;
  await until(async () => server.app.get(ModelProvider).describe().active === 0);
});

it('gets the rest of its text when the server shuts down', async () => {
  const other = await startApp();
  const own = connect(other);
  const texts: string[] = [];
  let reason: string | null | undefined;
  let closing: Promise<void> | undefined;
  for await (const { data } of subscription(own, { ...INPUT, maxTokens: 60 })) {
    closing ??= other.close();
    texts.push(data?.generate.text ?? '');
    reason = data?.generate.finishReason;
  }
  expect(reason).toBe('length');
  expect(texts.length).toBeGreaterThan(20);
  await closing;
  own.dispose();
});
