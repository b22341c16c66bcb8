import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { get, post, type JsonAnswer } from '../support/app.js';
import { GOLDEN, TALES } from '../support/models.js';
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

/** What is asked under load: the golden texts where they are there, else the embedded model's own. */
const LOAD = GOLDEN
  ? { model: GOLDEN.model, prompts: GOLDEN.rows.map(({ prompt }) => prompt), maxTokens: 180 }
  : { model: TALES, prompts: ['Once upon a time', 'The old king said', 'Come'], maxTokens: 60 };
const IN_FLIGHT = 8;

it('an engine that is killed 20 times under load loses no request, and no text changes', async () => {
  const { model, prompts, maxTokens } = LOAD;
  server = await ServerProcess.start({ config: JSON.stringify({ models: [model] }) }); // JSON is YAML
  await server.ready();
  const ask = (prompt: string): Promise<JsonAnswer> =>
    post(`${server.url}/v1/completions`, greedy(maxTokens, { model: model.name, prompt }));
  const textOf = ({ body }: JsonAnswer): string => (body['choices'] as [{ text: string }])[0].text;
  const expected = new Map<string, string>();
  for (const prompt of prompts) expected.set(prompt, textOf(await ask(prompt)));
  for (const { prompt, text } of GOLDEN?.rows ?? []) expect(prompt + expected.get(prompt)).toBe(text);

  const load = new AbortController();
  const answers: { prompt: string; answer: JsonAnswer }[] = [];
  const done = () => answers.filter(({ answer }) => answer.status === 200);
  const clients = Promise.all(
    Array.from({ length: IN_FLIGHT }, async (_, i) => {
      while (!load.signal.aborted) {
        const prompt = prompts[(i + answers.length) % prompts.length] as string;
        const answer = await ask(prompt);
        answers.push({ prompt, answer });
        if (answer.status !== 200) await sleep(50); // as it is told: "try again shortly"
      }
    }),
  );
  let probes = 0;
  const prober = (async () => {
    for (; !load.signal.aborted; probes++) {
      expect((await get(`${server.url}/health/live`)).status).toBe(200);
      await sleep(20);
    }
  })();
  const killed = new Set<number | undefined>([undefined]); // which is what there is while it restarts
  while (killed.size <= 20) {
    await until(async () => !killed.has(await server.enginePid(model.name)));
    const before = done().length;
    await until(async () => done().length > before);
    const engine = await server.enginePid(model.name);
    killed.add(engine);
    process.kill(engine, 'SIGKILL');
  }
  await server.ready();
  load.abort();
  await Promise.all([clients, prober]); // nobody waits for ever

  expect(probes).toBeGreaterThan(20);
  expect(done().length).toBeGreaterThan(20);
  for (const { prompt, answer } of done()) expect(textOf(answer)).toBe(expected.get(prompt));
  for (const { answer } of answers.filter(({ answer: { status } }) => status !== 200)) {
    expect(answer.status).toBe(503); // while it restarted: "try again"
    expect(answer.body).toMatchObject({
      error: { code: expect.stringMatching(/^engine_restart/) as string },
    });
  }
  const { body } = await get(`${server.url}/v1/models/${model.name}`);
  expect(body).toMatchObject({ resident: { loads: 21, active: 0 } });
}, 120_000);

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
