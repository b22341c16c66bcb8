import OpenAI, { APIError, BadRequestError, NotFoundError } from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { startApp, type TestApp } from '../support/app.js';
import { until } from '../support/server.js';

/** The official client, unmodified. */
let server: TestApp;
let client: OpenAI;
beforeAll(async () => {
  server = await startApp();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => server.close());

const GREEDY = { model: 'tales', temperature: 0, max_tokens: 12 } as const;
const PROMPT = 'Once upon a time';
const MESSAGES = [{ role: 'user', content: 'The old king said' }] as const;

it('completes', async () => {
  const completion = await client.completions.create({ ...GREEDY, prompt: PROMPT });
  expect(completion.choices[0]?.text.length).toBeGreaterThan(0);
  expect(completion.choices[0]?.finish_reason).toBe('length');
  expect(completion.usage).toEqual({
    prompt_tokens: 5,
    completion_tokens: 12,
    total_tokens: 17,
    prompt_tokens_details: { cached_tokens: 0 },
  });
});

it('streams a completion: the same text, piece by piece', async () => {
  const whole = await client.completions.create({ ...GREEDY, prompt: PROMPT });
  const stream = await client.completions.create({
    ...GREEDY,
    prompt: PROMPT,
    stream: true,
    stream_options: { include_usage: true },
  });
  const pieces: string[] = [];
  let total = 0;
  for await (const chunk of stream) {
    if (chunk.choices[0]) pieces.push(chunk.choices[0].text);
    if (chunk.usage) total = chunk.usage.total_tokens;
  }
  expect(pieces.join('')).toBe(whole.choices[0]?.text);
  expect(pieces.length).toBeGreaterThan(5);
  expect(total).toBe(17);
});

it('chats', async () => {
  const answer = await client.chat.completions.create({ ...GREEDY, messages: [...MESSAGES] });
  expect(answer.choices[0]?.message).toMatchObject({
    role: 'assistant',
    content: expect.any(String) as string,
  });
});

it('streams a chat through its own helper', async () => {
  const whole = await client.chat.completions.create({ ...GREEDY, messages: [...MESSAGES] });
  const runner = client.chat.completions.stream({ ...GREEDY, messages: [...MESSAGES] });
  expect(await runner.finalContent()).toBe(whole.choices[0]?.message.content);
  expect((await runner.finalChatCompletion()).choices[0]?.finish_reason).toBe('length');
});

it('lists and retrieves models', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  expect(ids).toEqual(['tales']);
  expect(await client.models.retrieve('tales')).toMatchObject({
    id: 'tales',
    object: 'model',
    owned_by: 'resident',
  });
});

it('reads the instance off the answer', async () => {
  const { response } = await client.completions.create({ ...GREEDY, prompt: PROMPT }).withResponse();
  expect(response.headers.get('x-resident-instance')).toBe(
    server.app.get(ModelProvider).describe().instanceId,
  );
});

it('throws its own errors with our codes', async () => {
  await expect(client.completions.create({ ...GREEDY, model: 'gpt', prompt: PROMPT })).rejects.toThrow(
    NotFoundError,
  );
  const tooMany = client.completions.create({ ...GREEDY, max_tokens: 5000, prompt: PROMPT });
  await expect(tooMany).rejects.toThrow(BadRequestError);
  const error: unknown = await tooMany.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(APIError);
  expect(error).toMatchObject({
    status: 400,
    code: 'context_length_exceeded',
    param: 'max_tokens',
    type: 'invalid_request_error',
  });
});

it('that stops reading frees the work', async () => {
  const stream = await client.completions.create({
    ...GREEDY,
    max_tokens: 1000,
    prompt: PROMPT,
    stream: true,
  });
  for await (const _ of stream) break;
  await until(async () => server.app.get(ModelProvider).describe().active === 0);
});
