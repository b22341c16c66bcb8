import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BatchesRepository } from '../../src/batch/store/batches.repository.js';
import { Database } from '../../src/storage/database.js';
import { get } from '../support/app.js';
import { ServerProcess, until } from '../support/server.js';

const LINES = 40;
const CONFIG = "batch: {cron: '* * * * * *'}\n";

interface ResultLine {
  readonly custom_id: string;
  readonly error: unknown;
  readonly instance_id: string;
}

function writeInbox(data: string): void {
  mkdirSync(join(data, 'inbox'), { recursive: true });
  const lines = Array.from({ length: LINES }, (_, i) =>
    JSON.stringify({ custom_id: `${i}`, prompt: `Tale ${i}`, temperature: 0, max_tokens: 40 }),
  );
  writeFileSync(join(data, 'inbox/night.jsonl'), lines.join('\n'));
}

async function answeredLines({ url }: ServerProcess): Promise<number> {
  const { body } = await get(`${url}/v1/batches`);
  const [batch] = body['data'] as { request_counts: { completed: number } }[];
  return batch?.request_counts.completed ?? 0;
}

/** What is in the tables while no server runs. */
async function writtenLines(data: string): Promise<number> {
  const database = await Database.open({ engine: 'sqlite', path: join(data, 'resident.db') });
  const [batch] = await new BatchesRepository(database).list({ limit: 1 });
  await database.close();
  return batch?.counts.completed ?? 0;
}

async function resultsOf(data: string): Promise<ResultLine[]> {
  const results = join(data, 'outbox/night.results.jsonl');
  await until(async () => existsSync(results) && existsSync(join(data, 'done/night.jsonl')));
  const lines = readFileSync(results, 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as ResultLine);
}

const IDS = Array.from({ length: LINES }, (_, i) => `${i}`);

it('a server killed in the middle of a file goes on at its next start: every line answered once, in order', async () => {
  const data = mkdtempSync(join(tmpdir(), 'resident-killed-'));
  const outbox = join(data, 'outbox');
  writeInbox(data);

  const killed = await ServerProcess.start({ data, config: CONFIG });
  await until(async () => (await answeredLines(killed)) > 0);
  killed.signal('SIGKILL');
  await killed.exited;
  expect(existsSync(join(data, 'inbox/night.jsonl'))).toBe(true);
  expect(existsSync(join(outbox, 'night.results.jsonl'))).toBe(false);

  const answeredBefore = await writtenLines(data);
  expect(answeredBefore).toBeGreaterThan(0);
  const next = await ServerProcess.start({ data, config: CONFIG });
  const lines = await resultsOf(data);
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(IDS);
  // lines that the killed server answered carry its load: they weren't run again
  const instances = new Set(lines.map(({ instance_id }) => instance_id));
  expect(instances.size).toBe(2);
  const { body } = await get(`${next.url}/v1/models/tales`);
  const instance = (body['resident'] as { instanceId: string }).instanceId;
  expect(lines.filter(({ instance_id }) => instance_id !== instance)).toHaveLength(answeredBefore);
  expect(readdirSync(outbox)).toEqual(['night.results.jsonl']);
  await next.dispose();
  rmSync(data, { recursive: true, force: true });
});

it('an engine killed in the middle of a file costs no line', async () => {
  const server = await ServerProcess.start({ config: CONFIG });
  await server.ready();
  writeInbox(server.data);
  await until(async () => (await answeredLines(server)) > 0);
  process.kill(await server.enginePid(), 'SIGKILL');
  const lines = await resultsOf(server.data);
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(IDS);
  expect(lines.every(({ error }) => error === null)).toBe(true);
  expect(new Set(lines.map(({ instance_id }) => instance_id)).size).toBe(2);
  await server.dispose();
});
