import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../src/engine/errors.js';
import type { ModelRequest } from '../../src/model/model.provider.js';
import { completionRequestSchema, completionToModelRequests } from '../../src/openai/completions.schema.js';
import { parseWith } from '../../src/transport/validation.js';
import { thrown } from './helpers/thrown.js';

const BODY = { model: 'm', prompt: 'Once' };

function read(fields: Record<string, unknown>): ModelRequest[] {
  return completionToModelRequests(parseWith(completionRequestSchema, { ...BODY, ...fields }));
}

function refusal(fields: Record<string, unknown>): InvalidRequestError {
  return thrown(InvalidRequestError, () => read(fields));
}

/** The code and the field of what is wrong with a body; anything else is thrown. */
function faultOf(body: unknown): string {
  try {
    completionToModelRequests(parseWith(completionRequestSchema, body));
    return 'none';
  } catch (error) {
    if (error instanceof InvalidRequestError) return `${error.code} ${error.param}`;
    throw error;
  }
}

describe('the prompt of a completion', () => {
  it.each([
    ['Once', [{ kind: 'text', text: 'Once' }]],
    ['', [{ kind: 'text', text: '' }]],
    [[5, 6], [{ kind: 'tokens', tokens: [5, 6] }]],
    [
      ['Once', 'Twice'],
      [
        { kind: 'text', text: 'Once' },
        { kind: 'text', text: 'Twice' },
      ],
    ],
    [
      [[5], [6, 7]],
      [
        { kind: 'tokens', tokens: [5] },
        { kind: 'tokens', tokens: [6, 7] },
      ],
    ],
  ])('may be %j', (prompt, expected) => {
    expect(read({ prompt }).map((request) => request.prompt)).toEqual(expected);
  });

  it.each([[3], [{}], [[]], [[[]]], [['a', 1]], [[1, [2]]], [[-1]], [[1.5]], [true]])(
    'must not be %j',
    (prompt) => {
      expect(refusal({ prompt })).toMatchObject({ code: 'invalid_value' });
      expect(refusal({ prompt }).param).toMatch(/^prompt/);
    },
  );

  it('may be up to 256 at once', () => {
    const most = Array.from({ length: 256 }, () => 'Once');
    expect(read({ prompt: most })).toHaveLength(256);
    expect(refusal({ prompt: [...most, 'Once'] })).toMatchObject({ code: 'invalid_value', param: 'prompt' });
  });

  it('must be there', () => {
    expect(refusal({ prompt: undefined })).toMatchObject({
      code: 'missing_required_parameter',
      param: 'prompt',
    });
    expect(refusal({ model: undefined })).toMatchObject({
      code: 'missing_required_parameter',
      param: 'model',
    });
  });
});

describe('the fields of a completion', () => {
  it('become those of the engine', () => {
    const fields = { max_tokens: 5, temperature: 0.5, top_p: 0.9, seed: 7, stop: ['.', '!'] };
    expect(read(fields)).toEqual([
      {
        model: 'm',
        prompt: { kind: 'text', text: 'Once' },
        maxTokens: 5,
        temperature: 0.5,
        topP: 0.9,
        seed: 7,
        stop: ['.', '!'],
      },
    ]);
  });

  it('become those of the engine also where they are not of OpenAI', () => {
    const fields = {
      top_k: 5,
      min_p: 0.1,
      repetition_penalty: 1.1,
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
      logit_bias: { 5: 1, 60: -100 },
      stop_token_ids: [3],
      min_tokens: 2,
      ignore_eos: true,
      logprobs: 4,
    };
    expect(read(fields)).toMatchObject([
      {
        topK: 5,
        minP: 0.1,
        repetitionPenalty: 1.1,
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        logitBias: new Map([
          [5, 1],
          [60, -100],
        ]),
        stopTokenIds: [3],
        minTokens: 2,
        ignoreEos: true,
        logprobs: 4,
      },
    ]);
    expect(read({ top_k: -1 })).toMatchObject([{ topK: 0 }]);
    expect(read({ echo: true })).toMatchObject([{ echo: true }]);
    expect(refusal({ echo: true, logprobs: 1 })).toMatchObject({ code: 'invalid_value', param: 'echo' });
  });

  it('that ask for penalties of 0 and no bias override nothing else', () => {
    const [request] = read({ presence_penalty: 0, frequency_penalty: 0.0, logit_bias: {} });
    expect(request).toEqual({
      ...read({})[0],
      presencePenalty: 0,
      frequencyPenalty: 0,
      logitBias: new Map<number, number>(),
    });
  });

  it('ask for n choices of each prompt, of seeds one after the other', () => {
    const choices = read({ prompt: ['Once', 'Twice'], n: 2, seed: 7 });
    expect(choices.map(({ prompt, seed }) => ({ prompt, seed }))).toEqual([
      { prompt: { kind: 'text', text: 'Once' }, seed: 7 },
      { prompt: { kind: 'text', text: 'Once' }, seed: 8 },
      { prompt: { kind: 'text', text: 'Twice' }, seed: 7 },
      { prompt: { kind: 'text', text: 'Twice' }, seed: 8 },
    ]);
    expect(refusal({ prompt: ['Once', 'Twice', 'Thrice'], n: 100 })).toMatchObject({
      code: 'invalid_value',
      param: 'n',
    });
  });

  it("are 16 tokens by OpenAI's default, and else left to the model, also where they are null", () => {
    const nulls = { max_tokens: null, temperature: null, top_p: null, seed: null, stop: null };
    const [request] = read(nulls);
    expect(request).toEqual(read({})[0]);
    expect(request).toEqual({ model: 'm', prompt: { kind: 'text', text: 'Once' }, maxTokens: 16 });
  });

  it.each([
    { max_tokens: 0 },
    { max_tokens: 1.5 },
    { max_tokens: '5' },
    { temperature: -0.1 },
    { temperature: 2.1 },
    { top_p: -0.1 },
    { top_p: 1.1 },
    { seed: 0.5 },
    { seed: 2 ** 53 },
    { stop: '' },
    { stop: ['a', ''] },
    { stop: ['a', 'b', 'c', 'd', 'e'] },
    { stop: 3 },
    { stream: 'yes' },
    { top_k: -2 },
    { top_k: 1.5 },
    { min_p: 1.1 },
    { repetition_penalty: 0 },
    { presence_penalty: 2.1 },
    { frequency_penalty: -2.1 },
    { logit_bias: { 5: 101 } },
    { logit_bias: { five: 1 } },
    { stop_token_ids: [-1] },
    { min_tokens: -1 },
    { ignore_eos: 'yes' },
    { logprobs: 21 },
    { n: 0 },
    { n: 129 },
    { model: 3 },
  ])('are refused by name where they are out of range: %o', (fields) => {
    const error = refusal(fields);
    expect(error.code).toBe('invalid_value');
    expect(error.param).toMatch(new RegExp(`^${Object.keys(fields)[0]}\\b`));
  });

  it('include stream_options only beside a stream', () => {
    expect(() => read({ stream: true, stream_options: { include_usage: true } })).not.toThrow();
    expect(refusal({ stream_options: { include_usage: true } })).toMatchObject({ param: 'stream_options' });
    expect(refusal({ stream: true, stream_options: { usage: true } })).toMatchObject({
      code: 'unknown_parameter',
      param: 'stream_options.usage',
    });
  });

  it.each([
    [
      {
        n: 1,
        best_of: 1,
        echo: false,
        suffix: '',
        logprobs: null,
        user: 'u',
      },
    ],
    [{ frequency_penalty: null, logit_bias: null, top_k: null, stop_token_ids: null, ignore_eos: null }],
  ])('that ask for nothing are accepted: %o', (fields) => {
    expect(read(fields)).toEqual(read({}));
  });

  it.each([{ best_of: 3 }, { suffix: 'x' }])('that are not supported are refused as such: %o', (fields) => {
    const [param] = Object.keys(fields);
    expect(refusal(fields)).toMatchObject({ code: 'unsupported_parameter', param });
  });

  it('that are wrong are always refused as the fault of the request', () => {
    const names = [...Object.keys(completionRequestSchema.shape), 'unknown'];
    const bodies = fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 2 }));
    fc.assert(
      fc.property(bodies, (body) => {
        expect(faultOf(body)).toMatch(/^none$|^(?!internal)\w+ (?!undefined)\S+$/);
      }),
      { numRuns: 500 },
    );
  });
});
