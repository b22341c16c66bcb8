import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { post, startApp, type TestApp } from '../support/app.js';
import { openStream } from '../support/graphql-sse.js';
import { readEvents } from '../support/sse.js';
import { until } from '../support/server.js';

/** `fetch` and a parser that knows the standard and nothing of this server. */
let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server.close());

const BODY = { model: 'tales', prompt: 'Once upon a time', temperature: 0, max_tokens: 12 };
const headers = { 'content-type': 'application/json', accept: 'text/event-stream' };
const stream = (body: object) =>
  fetch(`${server.url}/v1/completions`, { method: 'POST', headers, body: JSON.stringify(body) });

interface Chunk {
  readonly choices: { readonly text: string; readonly finish_reason: string | null }[];
}

describe('OpenAI’s stream', () => {
  it('is the text of the answer, piece by piece, and [DONE]', async () => {
    const whole = (await post(`${server.url}/v1/completions`, BODY)).body as unknown as Chunk;
    const events = [];
    for await (const event of readEvents(await stream({ ...BODY, stream: true }))) events.push(event);
    expect(events.at(-1)).toMatchObject({ type: 'message', data: '[DONE]' });
    const chunks = events.slice(0, -1).map(({ data }) => JSON.parse(data) as Chunk);
    expect(chunks.map(({ choices }) => choices[0]?.text ?? '').join('')).toBe(whole.choices[0]?.text);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('length');
  });
});

describe('GraphQL’s stream', () => {
  it('that is left frees the work', async () => {
    const response = await openStream(server.url, {
      query: 'subscription ($input: GenerateInput!) { generate(input: $input) { text } }',
      variables: { input: { prompt: BODY.prompt, temperature: 0, maxTokens: 1000 } },
    });
    const active = () => server.app.get(ModelProvider).describe().active;
    for await (const { type } of readEvents(response)) {
      if (type !== 'next') continue;
      expect(active()).toBe(1);
      break;
    }
    await until(async () => active() === 0);
  });
});
