import { describe, expect, it } from 'vitest';
import { FlatFormatter, OpenAiFormatter } from '../../../src/batch/lines/line-format.js';
import { InvalidRequestError } from '../../../src/engine/errors.js';

const KEY = { line: 31, customId: 'a' };
const ERROR = new InvalidRequestError('model_not_found', 'There is no such model.', { param: 'model' });
const PROBLEM = { code: 'batch_expired', message: 'Too late.', param: null } as const;
const USAGE = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
const FACTS = { instanceId: 'load-1' };

const parse = ({ body }: { body: string }) => JSON.parse(body) as unknown;

describe("OpenAI's files", () => {
  const formatter = new OpenAiFormatter('batch_0123456789abcdef01234567');
  const id = 'batch_req_0123456789abcdef0000001f';
  const request_id = 'req_0123456789abcdef0000001f';

  it('hold answers, each in its envelope', () => {
    const result = formatter.answer(KEY, { body: { object: 'x' }, facts: FACTS });
    expect(result).toMatchObject({ line: 31, failed: false });
    expect(parse(result)).toEqual({
      id,
      custom_id: 'a',
      response: { status_code: 200, request_id, body: { object: 'x' } },
      error: null,
    });
  });

  it('hold what requests are refused with, as the API answers it', () => {
    const result = formatter.refusal(KEY, ERROR);
    expect(result).toMatchObject({ line: 31, failed: true });
    expect(parse(result)).toEqual({
      id,
      custom_id: 'a',
      response: {
        status_code: 404,
        request_id,
        body: {
          error: {
            message: 'There is no such model.',
            type: 'invalid_request_error',
            param: 'model',
            code: 'model_not_found',
          },
        },
      },
      error: null,
    });
  });

  it('hold what never was a request, with the number of its line', () => {
    const result = formatter.problem({ line: 31, customId: null }, PROBLEM);
    expect(result).toMatchObject({ line: 31, failed: true });
    expect(parse(result)).toEqual({
      id,
      custom_id: null,
      response: null,
      error: { code: 'batch_expired', message: 'Line 31: Too late.' },
    });
  });
});

describe('flat results', () => {
  const formatter = new FlatFormatter(() => 'load-2');
  const answer = (body: object) => parse(formatter.answer(KEY, { body, facts: FACTS }));
  const end = { instance_id: 'load-1', error: null };

  it('are the text of a completion or a chat, and how it came about', () => {
    const told = { custom_id: 'a', line: 31, text: 'Hi', finish_reason: 'stop', usage: USAGE, ...end };
    expect(answer({ choices: [{ text: 'Hi', finish_reason: 'stop' }], usage: USAGE })).toEqual(told);
    const message = { role: 'assistant', content: 'Hi' };
    expect(answer({ choices: [{ message, finish_reason: 'stop' }], usage: USAGE })).toEqual(told);
  });

  it('have the calls of tools beside', () => {
    const tool_calls = [{ id: 'call_1' }];
    const message = { role: 'assistant', content: null, tool_calls };
    expect(answer({ choices: [{ message, finish_reason: 'tool_calls' }], usage: USAGE })).toMatchObject({
      text: '',
      tool_calls,
    });
  });

  it('are the whole answer of whatever else', () => {
    expect(answer({ data: [1] })).toEqual({ custom_id: 'a', line: 31, response: { data: [1] }, ...end });
  });

  it('tell what is wrong in the place of an answer', () => {
    const said = { custom_id: 'a', line: 31, instance_id: 'load-2' };
    expect(parse(formatter.refusal(KEY, ERROR))).toEqual({
      ...said,
      error: { code: 'model_not_found', message: 'There is no such model.', param: 'model' },
    });
    expect(parse(formatter.problem(KEY, PROBLEM))).toEqual({ ...said, error: PROBLEM });
  });
});
