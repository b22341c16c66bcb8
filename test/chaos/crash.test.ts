import { afterEach, expect, it } from 'vitest';
import { get, post, type JsonAnswer } from '../support/app.js';
import { ServerProcess, isAlive, until } from '../support/server.js';

let server: ServerProcess;
afterEach(() => server.dispose());

const greedy = (maxTokens: number, more: object = {}): object => ({
  model: 'tales',
  prompt: 'Once upon a time',
  temperature: 0,
  max_tokens: maxTokens,
  ...more,
});

it('an engine that is killed takes only its requests with it, and comes back', async () => {
  server = await ServerProcess.start();
  await server.ready();
  const before = await post(`${server.url}/v1/completions`, greedy(20));
  const engine = await server.enginePid();

  const streaming = await fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(greedy(1000, { stream: true })),
  });
  const waiting = post(`${server.url}/v1/completions`, greedy(5));
  process.kill(engine, 'SIGKILL');

  // told, not closed silently
  expect((await streaming.text()).trimEnd().split('\n\n').at(-1)).toContain('"code":"engine_restarted"');
  // nothing was answered to this one: it was begun anew, and nobody noticed
  const answered = await waiting;
  expect(answered.status).toBe(200);
  expect(answered.headers.get('x-resident-instance')).not.toBe(before.headers.get('x-resident-instance'));
  expect((await get(`${server.url}/health/live`)).status).toBe(200);

  await server.ready();
  expect(await server.enginePid()).not.toBe(engine);
  const after = await post(`${server.url}/v1/completions`, greedy(20));
  expect(after.body['choices']).toEqual(before.body['choices']);
  expect(after.headers.get('x-resident-instance')).not.toBe(before.headers.get('x-resident-instance'));
  const { body } = await get(`${server.url}/v1/models/tales`);
  expect(body).toMatchObject({ resident: { loads: 2, state: 'ready' } });
});

it('an engine that is killed 20 times under load loses no request, and no text changes', async () => {
  server = await ServerProcess.start();
  await server.ready();
  const expected = (await post(`${server.url}/v1/completions`, greedy(60))).body['choices'];
  const load = new AbortController();
  const answers: JsonAnswer[] = [];
  const texts = () => answers.filter(({ status }) => status === 200).map(({ body }) => body['choices']);
  const clients = Promise.all(
    [0, 1, 2, 3].map(async () => {
      while (!load.signal.aborted) {
        answers.push(await post(`${server.url}/v1/completions`, greedy(60)));
        expect((await get(`${server.url}/health/live`)).status).toBe(200);
      }
    }),
  );
  for (let kill = 0; kill < 20; kill++) {
    const before = texts().length;
    await until(async () => texts().length > before);
    process.kill(await server.enginePid(), 'SIGKILL');
  }
  await server.ready();
  load.abort();
  await clients;

  expect(texts().length).toBeGreaterThan(20);
  for (const text of texts()) expect(text).toEqual(expected);
  const refused = answers.filter(({ status }) => status !== 200);
  for (const { status, body } of refused) {
    expect(status).toBe(503); // while it restarted: "try again"
    expect(body).toMatchObject({ error: { code: expect.stringMatching(/^engine_restart/) as string } });
  }
  const { body } = await get(`${server.url}/v1/models/tales`);
  expect(body).toMatchObject({ resident: { loads: 21, active: 0 } });
});

it('a server that is killed leaves no engine behind', async () => {
  server = await ServerProcess.start();
  await server.ready();
  const engine = await server.enginePid();
  server.signal('SIGKILL');
  await server.exited;
  await until(async () => !isAlive(engine));
  expect(isAlive(engine)).toBe(false);
});

it('a server that is killed while its engine generates leaves no engine behind', async () => {
  server = await ServerProcess.start();
  await server.ready();
  const engine = await server.enginePid();
  const streaming = await fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(greedy(1000, { stream: true })),
  });
  server.signal('SIGKILL');
  await until(async () => !isAlive(engine));
  expect(isAlive(engine)).toBe(false);
  await streaming.text().catch(() => undefined);
});
