import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { InvalidRequestError, OpenAiModule } from '../../src/index.js';
import { post, readSse } from '../support/app.js';
import { failingAfter, INSTANCE, saying, startOverFake, type FakeApp } from '../support/fake-models.js';

let fake: FakeApp;
beforeAll(async () => {
  fake = await startOverFake(OpenAiModule);
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.requests.length = 0;
  fake.models.script = () => saying('Hello', ' world');
});

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const chat = (body: object) =>
  post(`${fake.url}/v1/chat/completions`, { model: 'tales', messages: MESSAGES, ...body });

it("answers in OpenAI's format", async () => {
  const { status, headers, body } = await chat({});
  expect(status).toBe(200);
  expect(headers.get('x-resident-instance')).toBe(INSTANCE);
  expect(body).toEqual({
    id: expect.stringMatching(/^chatcmpl-/) as string,
    object: 'chat.completion',
    created: expect.any(Number) as number,
    model: 'tales',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'Hello world', refusal: null },
        logprobs: null,
        finish_reason: 'length',
      },
    ],
    usage: {
      prompt_tokens: 3,
      completion_tokens: 2,
      total_tokens: 5,
      prompt_tokens_details: { cached_tokens: 2 },
    },
  });
});

it('streams the role first, then the text, then the finish reason', async () => {
  const response = await fetch(`${fake.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tales', messages: MESSAGES, stream: true }),
  });
  const frames = await readSse(response);
  expect(frames.pop()).toBe('[DONE]');
  const chunks = frames.map(
    (frame) =>
      JSON.parse(frame) as { object: string; choices: [{ delta: object; finish_reason: string | null }] },
  );
  expect(chunks.map(({ choices: [{ delta, finish_reason }] }) => [delta, finish_reason])).toEqual([
    [{ role: 'assistant', content: '' }, null],
    [{ content: 'Hello' }, null],
    [{ content: ' world' }, null],
    [{}, 'length'],
  ]);
  expect(new Set(chunks.map(({ object }) => object))).toEqual(new Set(['chat.completion.chunk']));
});

it('joins text parts, and leaves the number of tokens to the model', async () => {
  await chat({
    messages: [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
    ],
  });
  expect(fake.models.requests[0]).toMatchObject({
    prompt: {
      kind: 'chat',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'ab' },
      ],
    },
    maxTokens: undefined,
  });
});

it.each([{ max_tokens: 9 }, { max_completion_tokens: 9 }, { max_tokens: 9, max_completion_tokens: 9 }])(
  'takes %j',
  async (limit) => {
    await chat(limit);
    expect(fake.models.requests[0]?.maxTokens).toBe(9);
  },
);

it('gives choices and log-probabilities', async () => {
  const logprobs = [
    { token: 7, text: 'Hé', logprob: -0.5, top: [{ token: 8, text: '\uFFFD', logprob: -1 }] },
  ];
  fake.models.script = async function* () {
    yield { type: 'start', instanceId: INSTANCE, promptTokens: 3 };
    const usage = { promptTokens: 3, cachedTokens: 1, completionTokens: 1 };
    yield { type: 'finish', finishReason: 'stop', text: 'Hé', usage, logprobs };
  };
  const { body } = await chat({ n: 2, logprobs: true, top_logprobs: 1 });
  const content = [
    {
      token: 'Hé',
      logprob: -0.5,
      bytes: [72, 195, 169],
      top_logprobs: [{ token: '\uFFFD', logprob: -1, bytes: null }],
    },
  ];
  expect(body['choices']).toMatchObject([
    { index: 0, logprobs: { content, refusal: null } },
    { index: 1, logprobs: { content, refusal: null } },
  ]);
  expect(body['usage']).toEqual({
    prompt_tokens: 3,
    completion_tokens: 2,
    total_tokens: 5,
    prompt_tokens_details: { cached_tokens: 1 },
  });
});

it.each([
  ['top_logprobs without logprobs', { top_logprobs: 1 }, 'invalid_value', 'top_logprobs'],
  ['no messages', { messages: [] }, 'invalid_value', 'messages'],
  ['an unknown role', { messages: [{ role: 'king', content: 'a' }] }, 'invalid_value', 'messages[0].role'],
  [
    'a message without content',
    { messages: [{ role: 'user' }] },
    'missing_required_parameter',
    'messages[0].content',
  ],
  [
    'a part that is an image',
    { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
    'invalid_value',
    'messages[0].content',
  ],
  ['two limits that differ', { max_tokens: 1, max_completion_tokens: 2 }, 'invalid_value', 'max_tokens'],
  [
    'a choice of a tool that there is not',
    {
      tools: [{ type: 'function', function: { name: 'f' } }],
      tool_choice: { type: 'function', function: { name: 'g' } },
    },
    'invalid_value',
    'tool_choice',
  ],
  [
    'a response format beside tools',
    {
      response_format: { type: 'json_object' },
      tools: [{ type: 'function', function: { name: 'f' } }],
    },
    'invalid_value',
    'response_format',
  ],
  [
    'an unknown response format',
    { response_format: { type: 'xml' } },
    'invalid_value',
    'response_format.type',
  ],
  ['an unknown field', { prompt: 'a' }, 'unknown_parameter', 'prompt'],
  [
    'an unknown field of a message',
    { messages: [{ role: 'user', content: 'a', x: 1 }] },
    'unknown_parameter',
    'messages[0].x',
  ],
])('%s: 400, and named', async (_, body, code, param) => {
  expect(await chat(body)).toMatchObject({ status: 400, body: { error: { code, param } } });
  expect(fake.models.requests).toEqual([]);
});

it('a model without a chat template is 400', async () => {
  fake.models.script = () =>
    failingAfter(new InvalidRequestError('no_chat_template', 'none', { param: 'messages' }));
  expect(await chat({})).toMatchObject({
    status: 400,
    body: { error: { code: 'no_chat_template', param: 'messages' } },
  });
});
