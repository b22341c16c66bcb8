import { afterEach, describe, expect, it } from 'vitest';
import { readSse } from '../support/app.js';
import { ServerProcess, isAlive, until } from '../support/server.js';

let server: ServerProcess;
afterEach(() => server.dispose());

const stream = (maxTokens: number): Promise<Response> =>
  fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'tales',
      prompt: 'Once',
      temperature: 0,
      max_tokens: maxTokens,
      stream: true,
    }),
  });

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('before anything is loaded ends the server with 0', async () => {
    server = await ServerProcess.start();
    await new Promise((resolve) => setTimeout(resolve, 150)); // node itself needs that long to run a program
    server.signal(signal);
    expect(await server.exited).toMatchObject({ code: 0, stderr: '' });
  });

  it('while the model loads ends server and engine, with 0 and without a complaint', async () => {
    server = await ServerProcess.start();
    await server.said("loading 'tales'");
    const engines = await childrenOf(server.pid);
    server.signal(signal);
    expect(await server.exited).toMatchObject({ code: 0, stderr: '' });
    await until(async () => !engines.some(isAlive));
  });

  it('when idle ends server and engine with 0', async () => {
    server = await ServerProcess.start();
    await server.ready();
    const engine = await server.enginePid();
    server.signal(signal);
    expect(await server.exited).toMatchObject({ code: 0, stderr: '' });
    expect(isAlive(engine)).toBe(false);
  });

  it('while a generation streams lets it end, refuses new ones, then ends with 0', async () => {
    server = await ServerProcess.start();
    await server.ready();
    const engine = await server.enginePid();
    const streaming = await stream(800);
    server.signal(signal);
    await until(async () => (await fetch(`${server.url}/health/ready`)).status === 503);
    const refused = await stream(1);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ error: { code: 'server_draining' } });
    const frames = await readSse(streaming);
    expect(frames.at(-1)).toBe('[DONE]');
    expect(frames.at(-2)).toMatch(/"finish_reason":"(length|stop)"/);
    expect(await server.exited).toMatchObject({ code: 0 });
    expect(isAlive(engine)).toBe(false);
  });
});

it('a second signal does not wait for the generations in flight', async () => {
  server = await ServerProcess.start();
  await server.ready();
  const engine = await server.enginePid();
  const streaming = await stream(1000);
  server.signal('SIGTERM');
  await until(async () => (await fetch(`${server.url}/health/ready`)).status === 503);
  server.signal('SIGTERM');
  expect(await server.exited).toMatchObject({ code: 1 });
  await until(async () => !isAlive(engine));
  await streaming.text().catch(() => undefined);
});

it('a drain that takes too long ends the stream with an error event', async () => {
  server = await ServerProcess.start({ config: 'server:\n  drainSeconds: 0\n' });
  await server.ready();
  const streaming = await stream(1000);
  server.signal('SIGTERM');
  const text = await streaming.text();
  expect(text).not.toContain('[DONE]');
  expect(text.trimEnd().split('\n\n').at(-1)).toContain('server_draining');
  expect(await server.exited).toMatchObject({ code: 0 });
});

/** Linux tells who started whom; elsewhere the engine's end can't be watched before it has said its pid. */
async function childrenOf(pid: number): Promise<number[]> {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}
