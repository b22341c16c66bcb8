import {
  mkdirSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ServerProcess, until } from '../support/server.js';

const LINES = 40;
const CONFIG = "batch: {cron: '* * * * * *'}\n";

it('a server killed in the middle of a file runs it again at its next start: every line answered once, in order', async () => {
  const data = mkdtempSync(join(tmpdir(), 'resident-killed-'));
  const outbox = join(data, 'outbox');
  mkdirSync(join(data, 'inbox'));
  const line = (i: number) =>
    JSON.stringify({ custom_id: `${i}`, prompt: `Tale ${i}`, temperature: 0, max_tokens: 40 });
  writeFileSync(join(data, 'inbox/night.jsonl'), Array.from({ length: LINES }, (_, i) => line(i)).join('\n'));

  const killed = await ServerProcess.start({ data, config: CONFIG });
  await until(async () => readdirSync(outbox).some((name) => readFileSync(join(outbox, name)).length > 0));
  killed.signal('SIGKILL');
  await killed.exited;
  expect(existsSync(join(data, 'inbox/night.jsonl'))).toBe(true);
  expect(existsSync(join(outbox, 'night.results.jsonl'))).toBe(false);

  const next = await ServerProcess.start({ data, config: CONFIG });
  await until(async () => existsSync(join(data, 'done/night.jsonl')));
  const results = readFileSync(join(outbox, 'night.results.jsonl'), 'utf8').trimEnd().split('\n');
  expect(
    results.map((result) => (JSON.parse(result) as { custom_id: string; error: null }).custom_id),
  ).toEqual(Array.from({ length: LINES }, (_, i) => `${i}`));
  expect(readdirSync(outbox)).toEqual(['night.results.jsonl']);
  await next.dispose();
  rmSync(data, { recursive: true, force: true });
});

it('an engine killed in the middle of a file costs no line', async () => {
  const server = await ServerProcess.start({ config: CONFIG });
  await server.ready();
  const { data } = server;
  const line = (i: number) =>
    JSON.stringify({ custom_id: `${i}`, prompt: `Tale ${i}`, temperature: 0, max_tokens: 40 });
  writeFileSync(join(data, 'inbox/night.jsonl'), Array.from({ length: LINES }, (_, i) => line(i)).join('\n'));
  const outbox = join(data, 'outbox');
  await until(async () => readdirSync(outbox).some((name) => readFileSync(join(outbox, name)).length > 0));
  process.kill(await server.enginePid(), 'SIGKILL');
  await until(async () => existsSync(join(data, 'done/night.jsonl')));
  const results = readFileSync(join(outbox, 'night.results.jsonl'), 'utf8').trimEnd().split('\n');
  const lines = results.map(
    (result) => JSON.parse(result) as { custom_id: string; error: unknown; instance_id: string },
  );
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(Array.from({ length: LINES }, (_, i) => `${i}`));
  expect(lines.every(({ error }) => error === null)).toBe(true);
  expect(new Set(lines.map(({ instance_id }) => instance_id)).size).toBe(2);
  await server.dispose();
});
