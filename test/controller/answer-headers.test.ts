import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { post } from '../support/app.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { saying } from '../support/fake-models.js';

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
const MS = /^\d+\.\d$/;

let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake('10kb');
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.failure = undefined;
  fake.models.script = () => saying('Hello');
});
afterEach(() => vi.restoreAllMocks());

const JSON_TYPE = { 'content-type': 'application/json' };
const EMBED = { model: 'm', input: 'a' };
const embed = (headers: Record<string, string>, body: unknown = EMBED) =>
  post(`${fake.url}/v1/embeddings`, body, { headers: { ...JSON_TYPE, ...headers } });

describe('x-request-id', () => {
  it.each(['abc', 'a b~!', 'x'.repeat(128)])('is the one that was sent: %j', async (id) => {
    expect((await embed({ 'x-request-id': id })).headers.get('x-request-id')).toBe(id);
  });

  it.each(['x'.repeat(129), 'caf\u00E9', 'a\tb', ''])('is a new one instead of %j', async (id) => {
    expect((await embed({ 'x-request-id': id })).headers.get('x-request-id')).toMatch(UUID);
  });

  it('is a new one each time', async () => {
    const answers = await Promise.all([embed({}), embed({})]);
    const ids = answers.map(({ headers }) => headers.get('x-request-id'));
    expect(ids[0]).toMatch(UUID);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it('is in the log line of a failure', async () => {
    const error = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    fake.models.failure = new Error('password=hunter2');
    const answer = await embed({ 'x-request-id': 'abc-1' });
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain('hunter2');
    expect(error).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/hunter2[^]*request abc-1/));
  });
});

describe('every answer in one piece', () => {
  it.each([
    ['an answer', '/v1/embeddings', EMBED, 200],
    ['a generation', '/v1/completions', { model: 'tales', prompt: 'a' }, 200],
    ['a refusal', '/v1/embeddings', {}, 400],
    ['a body that is no JSON', '/v1/embeddings', '{', 400],
    ['a body that is too large', '/v1/embeddings', { ...EMBED, input: 'x'.repeat(20_000) }, 413],
    ['an unknown path', '/v1/nothing', {}, 404],
  ])('tells id and times: %s', async (_, path, body, status) => {
    const answer = await post(fake.url + path, body);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('x-request-id')).toMatch(UUID);
    expect(answer.headers.get('x-resident-total-ms')).toMatch(MS);
    expect(answer.headers.get('openai-processing-ms')).toMatch(/^\d+$/);
  });

  it('a stream tells its id, and no total, which is not known yet', async () => {
    const response = await fetch(`${fake.url}/v1/completions`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ model: 'tales', prompt: 'a', stream: true }),
    });
    await response.text();
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(response.headers.get('x-request-id')).toMatch(UUID);
    expect(response.headers.has('x-resident-total-ms')).toBe(false);
  });
});
