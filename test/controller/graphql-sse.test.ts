import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EngineDeadError, GraphqlApiModule } from '../../src/index.js';
import { failingAfter, INSTANCE, saying, startOverFake, type FakeApp } from '../support/fake-models.js';
import { EVENT_STREAM, openStream, readResults, stream } from '../support/graphql-sse.js';
import { readEvents } from '../support/sse.js';

const start = () => startOverFake(GraphqlApiModule.forRoot({ introspection: true }));

let fake: FakeApp;
beforeAll(async () => {
  fake = await start();
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.requests.length = 0;
  fake.models.signals.length = 0;
  fake.models.script = () => saying('Hello', '', ' world');
});

const STREAM = `subscription ($input: GenerateInput!) {
  generate(input: $input) { text finishReason instanceId usage { completionTokens } }
}`;
const request = { query: STREAM, variables: { input: { prompt: 'Once' } } };
const piece = (text: string) => ({
  data: { generate: { text, finishReason: null, instanceId: INSTANCE, usage: null } },
});
const end = {
  data: {
    generate: { text: '', finishReason: 'length', instanceId: INSTANCE, usage: { completionTokens: 3 } },
  },
};

describe('/graphql/stream', () => {
  it('sends the pieces of a subscription, posted', async () => {
    const response = await openStream(fake.url, request);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(`${EVENT_STREAM}; charset=utf-8`);
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(await readResults(response)).toEqual([piece('Hello'), piece(' world'), end]);
    expect(fake.models.requests).toEqual([{ prompt: { kind: 'text', text: 'Once' } }]);
  });

  it('and by GET, as an EventSource asks', async () => {
    const search = new URLSearchParams({ query: STREAM, variables: JSON.stringify(request.variables) });
    const headers = { accept: `${EVENT_STREAM}, */*;q=0.1`, 'sec-fetch-site': 'same-origin' };
    const response = await fetch(`${fake.url}/graphql/stream?${search.toString()}`, { headers });
    expect(await readResults(response)).toEqual([piece('Hello'), piece(' world'), end]);
  });

  it('answers queries, too', async () => {
    expect(await stream(fake.url, { query: '{ models { name } }' })).toEqual([
      { data: { models: [{ name: 'tales' }] } },
    ]);
  });

  it('waits for somebody: interactive, with an address and a signal', async () => {
    await stream(fake.url, request);
    expect(fake.models.priorities.at(-1)).toBe('interactive');
    expect(fake.models.signals).toEqual([expect.any(AbortSignal)]);
  });

  it('tells a failure with its code as the last result', async () => {
    fake.models.script = () => failingAfter(new EngineDeadError('The engine died.'), 'Hello');
    expect(await stream(fake.url, request)).toMatchObject([
      piece('Hello'),
      { errors: [{ message: 'The engine died.', extensions: { code: 'engine_restarted' } }] },
    ]);
  });

  it('does not show what is not meant for clients', async () => {
    fake.models.script = () => failingAfter(new Error('password=hunter2'), 'Hello');
    const results = await stream(fake.url, request);
    expect(results).toMatchObject([piece('Hello'), { errors: [{ extensions: { code: 'internal_error' } }] }]);
    expect(JSON.stringify(results)).not.toContain('hunter2');
  });

  it('tells what is wrong with the input', async () => {
    const wrong = { ...request, variables: { input: { prompt: 'a', maxTokens: 0 } } };
    expect(await stream(fake.url, wrong)).toMatchObject([
      { errors: [{ extensions: { code: 'invalid_value', param: 'maxTokens' } }] },
    ]);
    expect(fake.models.requests).toEqual([]);
  });

  it('tells what is wrong with the operation, in the stream', async () => {
    expect(await stream(fake.url, { query: '{ nothing }' })).toMatchObject([
      { errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] },
    ]);
  });

  it.each([
    ['no syntax', { query: '{' }],
    ['no query', {}],
    ['no string', { query: 5 }],
    ['no object', { query: STREAM, variables: [] }],
    ['no such operation', { query: STREAM, operationName: 'x' }],
  ])('refuses what it can not run: %s', async (_, body) => {
    const response = await openStream(fake.url, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ message: expect.any(String) as string }] });
  });

  it('refuses clients that take no event stream', async () => {
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const response = await openStream(fake.url, request, { headers });
    expect(response.status).toBe(406);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });

  it('takes JSON only', async () => {
    const headers = { 'content-type': 'text/plain', accept: EVENT_STREAM };
    expect((await openStream(fake.url, request, { headers })).status).toBe(415);
  });

  it.each(['before its first token', 'after it'])('frees a generation that is left %s', async (when) => {
    let ended = false;
    fake.models.script = () => ({
      [Symbol.asyncIterator]: () => {
        const events = saying('Hello')[Symbol.asyncIterator]();
        let left = when === 'after it' ? 2 : 0; // start and the first token; then the model takes its time
        return {
          next: () => (left-- > 0 ? events.next() : new Promise(() => undefined)),
          return: async () => ((ended = true), { done: true, value: undefined }),
        };
      },
    });
    const aborter = new AbortController();
    const response = await openStream(fake.url, request, { signal: aborter.signal });
    if (when === 'after it') for await (const { type } of readEvents(response)) if (type === 'next') break;
    aborter.abort();
    await expect.poll(() => ended).toBe(true);
    await expect.poll(() => fake.models.signals[0]?.aborted).toBe(true);
  });

  it('ends in order when the server shuts down', async () => {
    const other = await start();
    other.models.script = async function* () {
      for await (const event of saying('a', 'b', 'c')) {
        await sleep(50);
        yield event;
      }
    };
    const response = await openStream(other.url, request);
    const [results] = await Promise.all([readResults(response), other.app.close()]);
    expect(results).toEqual([piece('a'), piece('b'), piece('c'), end]);
  });
});
