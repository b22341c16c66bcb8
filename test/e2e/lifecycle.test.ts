import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { get, post, startApp, testConfig, type JsonAnswer, type TestApp } from '../support/app.js';
import { TALES } from '../support/models.js';
import { until } from '../support/server.js';

const KEEP_MS = 1500;
const lazy = { ...TALES, load: 'lazy' } as const;

let app: TestApp;
const complete = (prompt: string, model = 'tales', maxTokens = 4): Promise<JsonAnswer> =>
  post(`${app.url}/v1/completions`, { model, prompt, max_tokens: maxTokens, temperature: 0 });
const textOf = ({ body }: JsonAnswer): string => (body['choices'] as [{ text: string }])[0].text;
const instanceOf = ({ headers }: JsonAnswer): string => headers.get('x-resident-instance') as string;
const model = async (name = 'tales') =>
  (await get(`${app.url}/v1/models/${name}`)).body['resident'] as Record<string, unknown>;
const order = (what: string, name = 'tales') => post(`${app.url}/v1/models/${name}/${what}`, '');

describe('models that are loaded when they are needed', () => {
  beforeAll(async () => {
    app = await startApp(
      testConfig([
        lazy,
        { ...lazy, name: 'brief', keepAlive: KEEP_MS },
        { ...lazy, name: 'team/none', source: './no-such-folder' },
      ]),
    );
  });
  afterAll(() => app.close());

  it('50 first requests at a time load one once', async () => {
    expect(await model()).toMatchObject({ state: 'idle', loads: 0 });
    expect((await get(`${app.url}/health/ready`)).status).toBe(200); // it takes requests
    expect(await model()).toMatchObject({ state: 'idle', loads: 0 }); // and looking wakes nobody
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => complete(`The king number ${i}`)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const instances = new Set(answers.map(instanceOf));
    expect(await model()).toMatchObject({
      state: 'ready',
      loads: 1,
      active: 0,
      instanceId: [...instances][0],
    });
    expect(instances.size).toBe(1);
    expect(app.app.get(ModelProvider).usage()[0]).toMatchObject({ loads: 1, requests: 50 });
  });

  it('one that nobody needs for long is unloaded, and the next request loads it again', async () => {
    const first = await complete('Once upon a time', 'brief');
    const { pid } = await model('brief');
    await until(async () => (await model('brief'))['state'] === 'idle');
    expect((await get(`${app.url}/health/ready`)).status).toBe(200);
    expect(() => process.kill(pid as number, 0)).toThrow('ESRCH');
    const second = await complete('Once upon a time', 'brief');
    expect(textOf(second)).toBe(textOf(first));
    expect(instanceOf(second)).not.toBe(instanceOf(first));
    expect((await model('brief'))['loads']).toBe(2);
  });

  it('one that can not be loaded says why to all who wait, and is tried again later', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => complete('a', 'team/none')));
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 500, body: { error: { code: 'source_not_found' } } });
    expect(await model('team/none')).toMatchObject({ state: 'failed', error: { code: 'source_not_found' } });
    expect((await get(`${app.url}/health/ready`)).status).toBe(503);
    expect((await get(`${app.url}/health/live`)).status).toBe(200);
    expect(await order('load', 'team/none')).toMatchObject({
      status: 500,
      body: { error: { code: 'source_not_found' } },
    });
    expect(await order('unload', 'team/none')).toMatchObject({
      status: 200,
      body: { resident: { state: 'idle' } },
    });
  });
});

describe('an operator', () => {
  beforeAll(async () => {
    app = await startApp(testConfig([TALES]));
  });
  afterAll(() => app.close());

  it('reloads under load: no request is refused or dropped, and no text changes', async () => {
    const before = (await model())['instanceId'];
    const expected = textOf(await complete('Once upon a time', 'tales', 24));
    const answers: JsonAnswer[] = [];
    const load = new AbortController();
    const clients = Array.from({ length: 8 }, async () => {
      while (!load.signal.aborted) answers.push(await complete('Once upon a time', 'tales', 24));
    });
    await until(async () => answers.length > 8);
    const reloaded = await order('reload');
    expect(reloaded).toMatchObject({ status: 200, body: { resident: { state: 'ready', loads: 2 } } });
    const count = answers.length;
    await until(async () => answers.length > count + 8);
    load.abort();
    await Promise.all(clients);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map(textOf))).toEqual(new Set([expected]));
    const { instanceId } = await model();
    expect(instanceId).not.toBe(before);
    expect(new Set(answers.map(instanceOf))).toEqual(new Set([before, instanceId]));
    expect(instanceOf(answers.at(-1) as JsonAnswer)).toBe(instanceId);
    await until(async () => app.app.get(ModelProvider).usage()[0]?.engineRss !== undefined);
  });

  it('unloads while a request runs: it ends, and the one after it loads the model again', async () => {
    const { pid } = await model();
    const running = complete('Once upon a time', 'tales', 200);
    await until(async () => (await model())['active'] === 1);
    const unloading = order('unload');
    await until(async () => (await model())['state'] === 'unloading');
    const waiting = complete('Once upon a time', 'tales', 200);
    const [first, unloaded, second] = await Promise.all([running, unloading, waiting]);
    expect(unloaded.status).toBe(200);
    expect(textOf(second)).toBe(textOf(first));
    expect(instanceOf(second)).not.toBe(instanceOf(first));
    expect(await model()).toMatchObject({ state: 'ready' });
    expect((await model())['pid']).not.toBe(pid);
  });

  it('loads what was unloaded, and finds it loaded', async () => {
    expect((await order('unload')).body).toMatchObject({ resident: { state: 'idle' } });
    await sleep(50);
    expect(await model()).toMatchObject({ state: 'idle' });
    const loaded = (await order('load')).body['resident'] as Record<string, unknown>;
    expect(loaded).toMatchObject({ state: 'ready' });
    expect((await order('load')).body).toMatchObject({ resident: { instanceId: loaded['instanceId'] } });
  });
});
