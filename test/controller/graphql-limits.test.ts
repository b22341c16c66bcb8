import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphqlApiModule } from '../../src/index.js';
import { post } from '../support/app.js';
import { saying, startOverFake, type FakeApp } from '../support/fake-models.js';
import { openStream, stream } from '../support/graphql-sse.js';
import { query, subscribe } from '../support/graphql.js';

const LIMITS = { maxDepth: 3, maxAliases: 2, maxCost: 40, maxTokens: 260 };

let fake: FakeApp;
let open: FakeApp;
beforeAll(async () => {
  fake = await startOverFake(GraphqlApiModule.forRoot({ introspection: false, ...LIMITS }));
  open = await startOverFake(GraphqlApiModule.forRoot({ introspection: true }));
  open.models.script = () => saying('Hello');
});
afterAll(() => Promise.all([fake.app.close(), open.app.close()]));

const many = (count: number) => Array.from({ length: count }, (_, i) => `a${i}: __typename`).join(' ');
const models =
  'models { name task state instanceId loadedAt loadMs loads active device dtype contextLength }';

/** What is refused, how deep it may be hidden, and with which code. */
const refused = [
  ['query_too_deep', '{ ... { ... { models { name } } } }'],
  ['query_too_deep', 'fragment a on Query { ...b } fragment b on Query { models { name } } { ...a }'],
  ['too_many_aliases', `{ ${many(3)} }`],
  ['too_many_aliases', `fragment a on Query { ${many(2)} } { ...a b: __typename }`],
  ['query_too_complex', `{ ${models} ... { ${models} } }`],
  ['query_too_long', `{ ${'a '.repeat(300)} }`],
] as const;

const errorsOver = {
  http: async (text: string) => (await query(fake.url, text)).body,
  ws: async (text: string): Promise<object> =>
    subscribe(fake.url, text, {}).then(
      (data) => ({ data }),
      (error: unknown) => ({ errors: [error] }),
    ),
  sse: async (text: string) => {
    const response = await openStream(fake.url, { query: text });
    return response.status === 200
      ? (await stream(fake.url, { query: text }))[0]
      : ((await response.json()) as object);
  },
} as const;

describe.each(['http', 'ws', 'sse'] as const)('over %s', (transport) => {
  it.each(refused)('%s: %s', async (code, text) => {
    const answer = await errorsOver[transport](text);
    expect(answer).toMatchObject({ errors: [{ extensions: { code } }] });
    expect(answer).not.toHaveProperty('data');
  });

  it('what is within them is answered', async () => {
    expect(await errorsOver[transport]('{ a: models { name } b: __typename }')).not.toHaveProperty('errors');
  });

  it('introspection is off', async () => {
    expect(await errorsOver[transport]('{ __schema { __typename } }')).toMatchObject({
      errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
    expect(await errorsOver[transport]('{ __type(name: "Query") { name } }')).toHaveProperty('errors');
  });

  it('values that do not fit have a code', async () => {
    expect(await errorsOver[transport]('query ($a: String!) { model(name: $a) { name } }')).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT' } }],
    });
  });

  it('a syntax error has a code', async () => {
    expect(await errorsOver[transport]('{')).toMatchObject({
      errors: [{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }],
    });
  });
});

describe('over HTTP', () => {
  it.each(refused)('%s is status 400: %s', async (_, text) => {
    expect((await query(fake.url, text)).status).toBe(400);
  });

  it('subscriptions are told where to go', async () => {
    const text = 'subscription { generate(input: { prompt: "a" }) { text } }';
    expect(await query(fake.url, text)).toMatchObject({
      status: 400,
      body: { errors: [{ extensions: { code: 'BAD_REQUEST' } }] },
    });
  });

  it('requests come one at a time', async () => {
    const one = { query: '{ __typename }' };
    expect(await post(`${fake.url}/graphql`, [one, one])).toMatchObject({
      status: 400,
      body: { errors: [{ message: 'Operation batching disabled.' }] },
    });
  });

  it('the message says what the limit is', async () => {
    expect((await query(fake.url, `{ ${many(3)} }`)).body).toMatchObject({
      errors: [{ message: 'The query has too many aliases: at most 2.' }],
    });
  });
});

describe('by default', () => {
  it.each([
    ['too_many_aliases', `{ ${many(17)} }`],
    ['query_too_deep', `{ ${'... { '.repeat(9)} __typename ${'}'.repeat(9)} }`],
    ['query_too_complex', `{ ${`${'... { '.repeat(6)} ${models} ${'}'.repeat(6)}`.repeat(6)} }`],
    ['query_too_long', `{ ${'a '.repeat(2000)} }`],
  ])('there is %s', async (code, text) => {
    // through the event stream by GET: the fake's body limit is small
    const search = new URLSearchParams({ query: text });
    const headers = { accept: 'text/event-stream', 'apollo-require-preflight': 'true' };
    const answer = await (await fetch(`${open.url}/graphql/stream?${search.toString()}`, { headers })).text();
    expect(answer).toContain(`"code":"${code}"`);
  });

  it('everything there is can be asked at once, and introspected', async () => {
    const text = `{ ${models} generate(input: { prompt: "a" })
      { text finishReason instanceId usage { promptTokens cachedTokens completionTokens } } }`;
    expect((await query(open.url, text)).body).not.toHaveProperty('errors');
    const search = new URLSearchParams({ query: getIntrospectionQuery() });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${open.url}/graphql?${search.toString()}`, { headers });
    expect(await answer.json()).not.toHaveProperty('errors');
  });
});

describe('a WebSocket', () => {
  it('survives a syntax error of one of its operations', async () => {
    const { createClient } = await import('graphql-ws');
    const { WebSocket } = await import('ws');
    let connections = 0;
    const url = `${open.url.replace('http', 'ws')}/graphql`;
    const client = createClient({
      url,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazy: false,
      on: { connected: () => void connections++ },
    });
    const run = (text: string) => client.iterate({ query: text }).next();
    await expect(run('{')).rejects.toMatchObject([{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }]);
    expect(await run('{ __typename }')).toMatchObject({ value: { data: { __typename: 'Query' } } });
    expect(connections).toBe(1);
    await client.dispose();
  });

  it('that closes gives up what it asked for, a query as well as a subscription', async () => {
    const { createClient } = await import('graphql-ws');
    const { WebSocket } = await import('ws');
    open.models.signals.length = 0;
    open.models.script = async function* (_request, signal) {
      yield* [];
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))));
    };
    const url = `${open.url.replace('http', 'ws')}/graphql`;
    const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
    for (const operation of ['query', 'subscription']) {
      const text = `${operation} { generate(input: { prompt: "a" }) { text } }`;
      void client
        .iterate({ query: text })
        .next()
        .catch(() => undefined);
    }
    await expect.poll(() => open.models.signals.length).toBe(2);
    client.terminate();
    await expect.poll(() => open.models.signals.map((signal) => signal?.aborted)).toEqual([true, true]);
  });
});
