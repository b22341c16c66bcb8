import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { InvalidRequestError, OpenAiModule, UnavailableError } from '../../src/index.js';
import { post } from '../support/app.js';
import { failingAfter, saying, startOverFake, type FakeApp } from '../support/fake-models.js';

let fake: FakeApp;
beforeAll(async () => {
  fake = await startOverFake(OpenAiModule);
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.requests.length = 0;
  fake.models.script = () => saying('Hello');
});

const complete = (body: unknown) => post(`${fake.url}/v1/completions`, body);
const MINIMAL = { model: 'tales', prompt: 'Once' };

describe('bad requests for completions', () => {
  const text = (length: number) => 'x'.repeat(length);
  it.each([
    ['a missing prompt', { model: 'tales' }, 'missing_required_parameter', 'prompt'],
    ['a missing model', { prompt: 'a' }, 'missing_required_parameter', 'model'],
    ['a prompt of the wrong type', { ...MINIMAL, prompt: 5 }, 'invalid_value', 'prompt'],
    ['no prompts', { ...MINIMAL, prompt: [] }, 'invalid_value', 'prompt'],
    ['an unknown field', { ...MINIMAL, max_token: 5 }, 'unknown_parameter', 'max_token'],
    ['max_tokens 0', { ...MINIMAL, max_tokens: 0 }, 'invalid_value', 'max_tokens'],
    ['max_tokens 1.5', { ...MINIMAL, max_tokens: 1.5 }, 'invalid_value', 'max_tokens'],
    ['a temperature below 0', { ...MINIMAL, temperature: -1 }, 'invalid_value', 'temperature'],
    ['a temperature above 2', { ...MINIMAL, temperature: 2.1 }, 'invalid_value', 'temperature'],
    ['top_p above 1', { ...MINIMAL, top_p: 1.1 }, 'invalid_value', 'top_p'],
    ['a seed that is no integer', { ...MINIMAL, seed: 0.5 }, 'invalid_value', 'seed'],
    ['an empty stop string', { ...MINIMAL, stop: '' }, 'invalid_value', 'stop'],
    ['five stop strings', { ...MINIMAL, stop: ['a', 'b', 'c', 'd', 'e'] }, 'invalid_value', 'stop'],
    ['n: 0', { ...MINIMAL, n: 0 }, 'invalid_value', 'n'],
    ['more choices in all than fit', { ...MINIMAL, prompt: ['a', 'b', 'c'], n: 100 }, 'invalid_value', 'n'],
    ['best_of: 2', { ...MINIMAL, best_of: 2 }, 'unsupported_parameter', 'best_of'],
    ['typical_p', { ...MINIMAL, typical_p: 0.9 }, 'unsupported_parameter', 'typical_p'],
    ['too many logprobs', { ...MINIMAL, logprobs: 21 }, 'invalid_value', 'logprobs'],
    ['a presence penalty above 2', { ...MINIMAL, presence_penalty: 3 }, 'invalid_value', 'presence_penalty'],
    [
      'a frequency penalty below -2',
      { ...MINIMAL, frequency_penalty: -3 },
      'invalid_value',
      'frequency_penalty',
    ],
    [
      'a repetition penalty of 0',
      { ...MINIMAL, repetition_penalty: 0 },
      'invalid_value',
      'repetition_penalty',
    ],
    ['top_k below -1', { ...MINIMAL, top_k: -2 }, 'invalid_value', 'top_k'],
    ['min_p above 1', { ...MINIMAL, min_p: 2 }, 'invalid_value', 'min_p'],
    ['a bias of no token', { ...MINIMAL, logit_bias: { king: 1 } }, 'invalid_value', 'logit_bias.king'],
    ['a bias above 100', { ...MINIMAL, logit_bias: { 5: 101 } }, 'invalid_value', 'logit_bias.5'],
    ['echo with logprobs', { ...MINIMAL, echo: true, logprobs: 1 }, 'invalid_value', 'echo'],
    [
      'stream_options without stream',
      { ...MINIMAL, stream_options: { include_usage: true } },
      'invalid_value',
      'stream_options',
    ],
    [
      'an unknown stream option',
      { ...MINIMAL, stream: true, stream_options: { x: 1 } },
      'unknown_parameter',
      'stream_options.x',
    ],
  ])('%s is 400 and named', async (_, body, code, param) => {
    const answer = await complete(body);
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual({
      error: { message: expect.any(String) as string, type: 'invalid_request_error', param, code },
    });
    expect((answer.body['error'] as { message: string }).message).toContain(param);
    expect(fake.models.requests).toEqual([]);
  });

  it.each(['{"model": ', 'null', '[]', '"x"'])('a body of %j is 400', async (body) => {
    const answer = await complete(body);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ error: { type: 'invalid_request_error', param: null } });
  });

  it('a body that is not declared as JSON is 400', async () => {
    const answer = await post(`${fake.url}/v1/completions`, MINIMAL, {
      headers: { 'content-type': 'text/plain' },
    });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({
      error: { message: expect.stringContaining('application/json') as string },
    });
  });

  it('a body that is too large is 413', async () => {
    const answer = await complete({ ...MINIMAL, prompt: text(5000) });
    expect(answer.status).toBe(413);
    expect(answer.body).toMatchObject({ error: { code: 'request_too_large' } });
  });

  it('a path that does not exist is 404 in the same envelope', async () => {
    const answer = await post(`${fake.url}/v1/nothing`, {});
    expect(answer.status).toBe(404);
    expect(answer.body).toMatchObject({ error: { code: 'not_found', type: 'invalid_request_error' } });
  });

  it.each([
    ['GET', '/v1/completions', 'POST'],
    ['POST', '/v1/models/tales', 'GET, HEAD'],
    ['DELETE', '/v1/models', 'GET, HEAD'],
  ])('%s on %s is 405 and tells the methods', async (method, path, allow) => {
    const answer = await post(`${fake.url}${path}`, undefined, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe(allow);
    expect(answer.body).toMatchObject({
      error: {
        code: 'method_not_allowed',
        type: 'invalid_request_error',
        message: `${path} takes ${allow}, not ${method}.`,
      },
    });
  });

  it('what the model refuses keeps its code', async () => {
    fake.models.script = () =>
      failingAfter(new InvalidRequestError('context_length_exceeded', 'too long', { param: 'prompt' }));
    const answer = await complete(MINIMAL);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ error: { code: 'context_length_exceeded', param: 'prompt' } });
  });

  it('a full queue is 429 with Retry-After', async () => {
    fake.models.script = () => failingAfter(new UnavailableError('queue_full', 'full'));
    const answer = await complete(MINIMAL);
    expect(answer).toMatchObject({
      status: 429,
      body: { error: { code: 'queue_full', type: 'rate_limit_error' } },
    });
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it('an unknown model is 404', async () => {
    fake.models.script = () =>
      failingAfter(new InvalidRequestError('model_not_found', 'no such model', { param: 'model' }));
    expect(await complete({ ...MINIMAL, model: 'x' })).toMatchObject({
      status: 404,
      body: { error: { code: 'model_not_found' } },
    });
  });

  it('an error nobody foresaw is 500 and says nothing of itself', async () => {
    fake.models.script = () => failingAfter(new Error('password=hunter2'));
    const answer = await complete(MINIMAL);
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain('hunter2');
  });
});
