import { afterEach, expect, it } from 'vitest';
import { get, post } from '../support/app.js';
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
  expect(await waiting).toMatchObject({ status: 503, body: { error: { code: 'engine_restarted' } } });
  expect((await get(`${server.url}/health/live`)).status).toBe(200);

  await server.ready();
  expect(await server.enginePid()).not.toBe(engine);
  const after = await post(`${server.url}/v1/completions`, greedy(20));
  expect(after.body['choices']).toEqual(before.body['choices']);
  expect(after.headers.get('x-resident-instance')).not.toBe(before.headers.get('x-resident-instance'));
  const { body } = await get(`${server.url}/v1/models/tales`);
  expect(body).toMatchObject({ resident: { loads: 2, state: 'ready' } });
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
