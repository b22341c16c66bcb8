import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../src/engine/errors.js';
import type { ModelRequest } from '../../src/model/model.provider.js';
import { chatRequestSchema, chatToModelRequests } from '../../src/openai/chat.schema.js';
import { parseWith } from '../../src/transport/validation.js';
import { thrown } from './helpers/thrown.js';

const BODY = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };

function readAll(fields: Record<string, unknown>): ModelRequest[] {
  return chatToModelRequests(parseWith(chatRequestSchema, { ...BODY, ...fields }));
}

/** The only request, or the first choice's. */
function read(fields: Record<string, unknown>): ModelRequest {
  return readAll(fields)[0]!;
}

function refusal(fields: Record<string, unknown>): InvalidRequestError {
  return thrown(InvalidRequestError, () => read(fields));
}

describe('the messages of a chat completion', () => {
  it('are of the roles that a template can know', () => {
    const messages = ['system', 'developer', 'user', 'assistant'].map((role) => ({ role, content: 'Hi' }));
    expect(read({ messages }).prompt).toEqual({ kind: 'chat', messages });
  });

  it('may have their text in parts, which are joined', () => {
    const content = [
      { type: 'text', text: 'Once ' },
      { type: 'text', text: 'upon' },
    ];
    expect(read({ messages: [{ role: 'user', content }] }).prompt).toEqual({
      kind: 'chat',
      messages: [{ role: 'user', content: 'Once upon' }],
    });
  });

  it.each([
    [[], 'messages', 'invalid_value'],
    ['Hi', 'messages', 'invalid_value'],
    [undefined, 'messages', 'missing_required_parameter'],
    [[{ role: 'user' }], 'messages[0].content', 'missing_required_parameter'],
    [[{ content: 'Hi' }], 'messages[0].role', 'missing_required_parameter'],
    [[{ role: 'robot', content: 'Hi' }], 'messages[0].role', 'invalid_value'],
    [[...BODY.messages, { role: 'user', content: 3 }], 'messages[1].content', 'invalid_value'],
    [[{ role: 'user', content: [] }], 'messages[0].content', 'invalid_value'],
    [[{ role: 'user', content: 'Hi', txt: 1 }], 'messages[0].txt', 'unknown_parameter'],
    [
      [{ role: 'user', content: 'Hi', tool_calls: [{}] }],
      'messages[0].tool_calls[0].id',
      'missing_required_parameter',
    ],
  ])('are refused where they are wrong: %j', (messages, param, code) => {
    expect(refusal({ messages })).toMatchObject({ code, param });
  });

  it('are refused with parts that are not text', () => {
    const content = [{ type: 'image_url', image_url: { url: 'data:' } }];
    const error = refusal({ messages: [{ role: 'user', content }] });
    expect(error.code).toBe('invalid_value');
    expect(error.param).toMatch(/^messages\[0\]\.content/);
    expect(error.message).toContain('text parts');
  });
});

describe('the length of a chat completion', () => {
  it('has two names, of which either may be sent, or both with one value', () => {
    expect(read({ max_completion_tokens: 5 }).maxTokens).toBe(5);
    expect(read({ max_tokens: 5 }).maxTokens).toBe(5);
    expect(read({ max_tokens: 5, max_completion_tokens: 5 }).maxTokens).toBe(5);
    expect(read({ max_tokens: null, max_completion_tokens: 6 }).maxTokens).toBe(6);
  });

  it('is refused if the two differ', () => {
    expect(refusal({ max_tokens: 5, max_completion_tokens: 6 })).toMatchObject({
      code: 'invalid_value',
      param: 'max_tokens',
    });
  });

  it('is by default left to the model', () => {
    expect(read({}).maxTokens).toBeUndefined();
  });
});

describe('the fields of a chat completion', () => {
  it('become those of the engine', () => {
    expect(read({ temperature: 0, top_p: 0.5, seed: 1, stop: 'END' })).toMatchObject({
      model: 'm',
      temperature: 0,
      topP: 0.5,
      seed: 1,
      stop: ['END'],
    });
  });

  it('that ask for nothing are accepted', () => {
    const neutral = {
      n: 1,
      tools: [],
      tool_choice: 'none',
      response_format: { type: 'text' },
      modalities: ['text'],
      store: false,
      metadata: {},
      parallel_tool_calls: true,
      logprobs: false,
      service_tier: 'auto',
      user: 'u',
    };
    expect(read(neutral)).toEqual(read({}));
  });

  it.each([{ functions: [{ name: 'f' }] }, { store: true }, { audio: {} }, { reasoning_effort: 'low' }])(
    'that are not supported are refused as such: %o',
    (fields) => {
      const [param] = Object.keys(fields);
      expect(refusal(fields)).toMatchObject({ code: 'unsupported_parameter', param });
    },
  );

  it('ask for as many choices as n, of seeds one after the other', () => {
    expect(readAll({ n: 3, seed: 7 }).map(({ seed }) => seed)).toEqual([7, 8, 9]);
    expect(readAll({ n: 2 })).toEqual([read({}), read({})]);
  });

  it('ask for log-probabilities, with or without alternatives', () => {
    expect(read({ logprobs: true }).logprobs).toBe(0);
    expect(read({ logprobs: true, top_logprobs: 3 }).logprobs).toBe(3);
    for (const fields of [{ top_logprobs: 3 }, { logprobs: false, top_logprobs: 3 }]) {
      expect(refusal(fields)).toMatchObject({ code: 'invalid_value', param: 'top_logprobs' });
    }
  });

  it('that are those of a completion are unknown', () => {
    expect(refusal({ prompt: 'Once' })).toMatchObject({ code: 'unknown_parameter', param: 'prompt' });
  });
});
