import { Module } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_KEY } from '../../src/transport/admin.guard.js';
import { GraphqlApiModule, HealthModule, ModelLoadError, OpenAiModule } from '../../src/index.js';
import { get, post, type JsonAnswer } from '../support/app.js';
import { INSTANCE, startOverFake, type FakeApp } from '../support/fake-models.js';

const KEY = 'a-key-of-some-length';
const WITH_KEY = { 'content-type': 'application/json', authorization: `Bearer ${KEY}` };

const ORDERS = [
  ['load', 'ready'],
  ['unload', 'idle'],
  ['reload', 'ready'],
] as const;

function start(key: string | null): Promise<FakeApp> {
  @Module({
    imports: [OpenAiModule],
    providers: [{ provide: ADMIN_KEY, useValue: key }],
    exports: [ADMIN_KEY],
  })
  class KeyModule {}
  const graphql = GraphqlApiModule.forRoot({ introspection: true });
  return startOverFake({ module: KeyModule, global: true }, OpenAiModule, HealthModule, graphql);
}

const order = (url: string, name: string, what: string, init: RequestInit = {}) =>
  post(`${url}/v1/models/${name}/${what}`, '', init);
const mutate = (url: string, what: string, name: string, headers: Record<string, string>) =>
  post(`${url}/graphql`, { query: `mutation { ${what}Model(name: "${name}") { name state } }` }, { headers });
const codeOf = ({ body }: JsonAnswer) =>
  (body as { errors?: { extensions: { code: string } }[] }).errors?.[0]?.extensions.code;

let fake: FakeApp;

describe('with a key', () => {
  beforeAll(async () => {
    fake = await start(KEY);
  });
  afterEach(() => {
    fake.models.orders.length = 0;
    fake.models.loadError = undefined;
  });
  afterAll(() => fake.app.close());

  it.each(ORDERS)('POST %s needs it, and answers the model', async (what, state) => {
    const refused = await order(fake.url, 'tales', what);
    expect(refused).toMatchObject({ status: 401, body: { error: { code: 'unauthorized' } } });
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect(fake.models.orders).toEqual([]);
    expect(await order(fake.url, 'tales', what, { headers: WITH_KEY })).toMatchObject({
      status: 200,
      body: { id: 'tales', object: 'model', resident: { state, instanceId: INSTANCE } },
    });
    expect(fake.models.orders).toEqual([`${what} tales`]);
  });

  it.each(['owner/name', 'owner%2Fname'])('finds %s', async (name) => {
    for (const [what] of ORDERS)
      expect((await order(fake.url, name, what, { headers: WITH_KEY })).body['id']).toBe('owner/name');
    expect(fake.models.orders).toEqual(ORDERS.map(([what]) => `${what} owner/name`));
  });

  it('does not know other models', async () => {
    expect(await order(fake.url, 'x', 'load', { headers: WITH_KEY })).toMatchObject({
      status: 404,
      body: { error: { code: 'model_not_found' } },
    });
  });

  it('tells why a model can not be loaded', async () => {
    fake.models.loadError = new ModelLoadError('insufficient_memory', 'It takes 9 GB, and 2 GB are free.');
    expect(await order(fake.url, 'tales', 'reload', { headers: WITH_KEY })).toMatchObject({
      status: 500,
      body: { error: { code: 'insufficient_memory', message: 'It takes 9 GB, and 2 GB are free.' } },
    });
    expect(codeOf(await mutate(fake.url, 'load', 'tales', WITH_KEY))).toBe('insufficient_memory');
  });

  it.each(ORDERS)('the mutation %sModel needs it, and answers the model', async (what, state) => {
    const refused = await mutate(fake.url, what, 'tales', { 'content-type': 'application/json' });
    expect(codeOf(refused)).toBe('unauthorized');
    expect(fake.models.orders).toEqual([]);
    expect((await mutate(fake.url, what, 'owner/name', WITH_KEY)).body).toEqual({
      data: { [`${what}Model`]: { name: 'owner/name', state } },
    });
    expect(fake.models.orders).toEqual([`${what} owner/name`]);
  });
});

describe('without a key', () => {
  beforeAll(async () => {
    fake = await start(null);
  });
  afterAll(() => fake.app.close());

  it.each(ORDERS)('POST %s is for callers of this machine', async (what) => {
    const proxied = { 'x-forwarded-for': '203.0.113.7', 'content-type': 'application/json' };
    expect(await order(fake.url, 'tales', what, { headers: proxied })).toMatchObject({
      status: 403,
      body: { error: { code: 'forbidden' } },
    });
    expect(codeOf(await mutate(fake.url, what, 'tales', proxied))).toBe('forbidden');
    expect((await order(fake.url, 'tales', what)).status).toBe(200);
  });
});

describe('what is known of a load', () => {
  beforeAll(async () => {
    fake = await start(null);
  });
  afterAll(() => fake.app.close());
  afterEach(() => {
    fake.models.news = {};
  });

  const FIELDS = 'progress { phase file bytes totalBytes device dtype } degraded error { code message }';
  const model = async () =>
    (await post(`${fake.url}/graphql`, { query: `{ model(name: "tales") { ${FIELDS} } }` })).body;

  it.each([
    { progress: { phase: 'downloading', file: 'onnx/model.onnx', bytes: 5e9, totalBytes: 9e9 } },
    { progress: { phase: 'loading', device: 'cpu', dtype: 'q8' } },
    { progress: { phase: 'warming-up' } },
    { degraded: 'Its KV cache was cut to 100 MB after it ran out of memory.' },
    { error: { code: 'model_corrupt', message: 'It is damaged.' } },
  ] as const)('is shown: %j', async (news) => {
    fake.models.news = news;
    expect((await get(`${fake.url}/v1/models/tales`)).body).toMatchObject({ resident: news });
    expect((await get(`${fake.url}/v1/models`)).body).toMatchObject({ data: [{ resident: news }] });
    expect(await model()).toMatchObject({ data: { model: news } });
  });

  it('is left out where there is nothing to tell', async () => {
    const { body } = await get(`${fake.url}/v1/models/tales`);
    for (const field of ['progress', 'degraded', 'error']) expect(body['resident']).not.toHaveProperty(field);
    expect(await model()).toEqual({ data: { model: { progress: null, degraded: null, error: null } } });
  });
});
