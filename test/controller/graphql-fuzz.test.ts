import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { GraphqlApiModule } from '../../src/index.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { saying } from '../support/fake-models.js';

let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake('1mb', GraphqlApiModule.forRoot({ introspection: true }));
  fake.models.script = () => saying('Hello');
});
afterAll(() => fake.app.close());

const RUNS = { numRuns: 120, interruptAfterTimeLimit: 20_000 };

/** Pieces that documents are made of, in an order that mostly makes none. */
const piece = fc.constantFrom(
  ...'{ } ( ) [ ] : ... $ ! @ " """ \\u # & | = -1 1e9 query mutation subscription fragment on null input'.split(
    ' ',
  ),
  ...'prompt __schema __typename generate embed models model text name x \uFEFF \u0000 é 💥'.split(' '),
);
const document = fc.oneof(
  fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(' ')),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    'query ($input: GenerateInput!) { generate(input: $input) { text } }',
    'subscription ($input: GenerateInput!) { generate(input: $input) { text } }',
    'query ($input: EmbedInput!) { embed(input: $input) { embeddings } }',
    'query ($input: RerankInput!) { rerank(input: $input) { results { score } } }',
    'query ($input: String!) { model(name: $input) { name } }',
  ),
);
const input = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      model: fc.jsonValue({ maxDepth: 1 }),
      prompt: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 1 })),
      inputs: fc.array(fc.string({ unit: 'binary' }), { maxLength: 3 }),
      query: fc.string(),
      documents: fc.jsonValue({ maxDepth: 2 }),
      maxTokens: fc.double(),
      logitBias: fc.jsonValue({ maxDepth: 2 }),
      seed: fc.maxSafeInteger(),
    },
    { requiredKeys: [] },
  ),
);
const body = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      query: fc.oneof({ weight: 5, arbitrary: document }, { weight: 1, arbitrary: fc.jsonValue() }),
      variables: fc.oneof(fc.record({ input }), fc.jsonValue()),
      operationName: fc.oneof(fc.constant(null), fc.string(), fc.jsonValue({ maxDepth: 1 })),
      extensions: fc.jsonValue({ maxDepth: 2 }),
    },
    { requiredKeys: [] },
  ),
);

/** An answer to the last byte, within 5 s, that doesn't blame the server. */
async function expectAnswer(path: string, init: RequestInit): Promise<void> {
  const response = await fetch(`${fake.url}${path}`, { ...init, signal: AbortSignal.timeout(5000) });
  const text = await response.text();
  if (response.status >= 500) throw new Error(`${response.status}: ${text}`);
  if (/internal_error|INTERNAL_SERVER_ERROR|stacktrace/.test(text)) throw new Error(text);
}

describe.each([
  ['/graphql', 'application/json'],
  ['/graphql/stream', 'text/event-stream'],
])('%s answers whatever comes', (path, accept) => {
  const headers = { 'content-type': 'application/json', accept };

  it('as JSON', () =>
    fc.assert(
      fc.asyncProperty(body, (value) =>
        expectAnswer(path, { method: 'POST', headers, body: JSON.stringify(value) }),
      ),
      RUNS,
    ));

  it('as text', () =>
    fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 100 }), (text) =>
        expectAnswer(path, { method: 'POST', headers, body: text }),
      ),
      RUNS,
    ));

  it('in the query string', () =>
    fc.assert(
      fc.asyncProperty(
        document,
        fc.oneof(fc.json(), fc.string()),
        fc.dictionary(fc.string({ maxLength: 10 }), fc.string(), { maxKeys: 2 }),
        (query, variables, others) => {
          const search = new URLSearchParams({ ...others, query, variables });
          return expectAnswer(`${path}?${search.toString()}`, { headers });
        },
      ),
      RUNS,
    ));

  it('as a query string that is none', () =>
    fc.assert(
      fc.asyncProperty(fc.webQueryParameters(), (search) => expectAnswer(`${path}?${search}`, { headers })),
      RUNS,
    ));
});
