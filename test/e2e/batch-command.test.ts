import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BatchesRepository } from '../../src/batch/store/batches.repository.js';
import { Database } from '../../src/storage/database.js';
import { get } from '../support/app.js';
import { TALES } from '../support/models.js';
import { ServerProcess, until } from '../support/server.js';

/** The built command, as `npm run batch --` starts it. */
const root = fileURLToPath(new URL('../..', import.meta.url));

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'resident-command-'));
  // one model: most of the time goes into starts
  writeFileSync(join(data, 'config.yaml'), JSON.stringify({ models: [TALES] }));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ended: Promise<Outcome>;
}

function start(...args: string[]): Running {
  const child = spawn(process.execPath, [join(root, 'dist/server/batch.js'), ...args], {
    cwd: data,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      RESIDENT_DATA: data,
      RESIDENT_CONFIG: join(data, 'config.yaml'),
    },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, stderr: () => stderr, ended };
}

const command = (...args: string[]): Promise<Outcome> => start(...args).ended;

function write(name: string, lines: readonly (object | string)[]): string {
  const path = join(data, name);
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  writeFileSync(path, `${text.join('\n')}\n`);
  return path;
}

const read = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const flat = (count: number, tokens = 4): object[] =>
  Array.from({ length: count }, (_, i) => ({
    custom_id: `line-${i}`,
    prompt: 'Once upon a time',
    temperature: 0,
    max_tokens: tokens,
    min_tokens: tokens,
  }));

/** The id of the newest batch. */
async function newest(): Promise<string> {
  const { stdout } = await command('list', '--limit', '1');
  return /^batch_\w+/m.exec(stdout)?.[0] ?? '';
}

/** Lines of the newest batch that are answered, as the tables say. */
async function answeredLines(): Promise<number> {
  const database = await Database.open({ engine: 'sqlite', path: join(data, 'resident.db') });
  try {
    const [batch] = await new BatchesRepository(database).list({ limit: 1 });
    return batch?.counts.completed ?? 0;
  } finally {
    await database.close();
  }
}

/** Ctrl-C, once more than so many lines are answered. */
async function interrupted({ child, ended }: Running, after: number): Promise<Outcome> {
  // each look opens the database
  await until(async () => (await answeredLines()) > after, 100);
  child.kill('SIGINT');
  return ended;
}

const LONG = 120;

describe('without a server', () => {
  it('runs a file, lists it and shows it', async () => {
    const outcome = await command(write('night.jsonl', [...flat(3), 'nope']));
    const results = join(data, 'outbox', 'night.results.jsonl');
    expect(outcome).toMatchObject({ code: 0, stdout: `4 lines, 1 failed; results in ${results}\n` });
    expect(outcome.stderr).toContain('loading the models here');
    expect(read(results).map(({ line, custom_id }) => [line, custom_id])).toEqual([
      [1, 'line-0'],
      [2, 'line-1'],
      [3, 'line-2'],
      [4, null],
    ]);
    const id = await newest();
    expect((await command('list')).stdout).toMatch(new RegExp(`^${id} +completed +4/4 +1 `, 'm'));
    const shown = await command('show', id);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain(`results   ${results}`);
    expect(await command('cancel', id)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('completed'),
    });
  });

  it("runs OpenAI's lines into files that are named", async () => {
    const body = { model: 'tales', prompt: 'Once upon a time', max_tokens: 3 };
    const line = { custom_id: 'a', method: 'POST', url: '/v1/completions', body };
    const output = join(data, 'answers.jsonl');
    const lines = [line, { ...line, custom_id: 'b', url: '/v1/embeddings' }];
    const outcome = await command('run', write('open.jsonl', lines), '--output', output);
    const errors = join(data, 'answers.errors.jsonl');
    expect(outcome).toMatchObject({
      code: 0,
      stdout: `2 lines, 1 failed; results in ${output} and ${errors}\n`,
    });
    expect(read(output)).toMatchObject([{ custom_id: 'a', response: { status_code: 200 } }]);
    expect(read(errors)).toMatchObject([{ custom_id: 'b', error: { code: 'mismatched_url' } }]);
    expect(await command('run', 'open.jsonl', '--output', output)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is there already'),
    });
  });

  it('stops at Ctrl-C, says how to go on, and goes on where it was, by its file and by its id', async () => {
    const file = write('long.jsonl', flat(LONG, 24));
    const results = join(data, 'outbox', 'long.results.jsonl');
    const first = await interrupted(start('run', file), 0);
    const id = await newest();
    expect(first.code).toBe(130);
    expect(first.stderr).toContain(`nothing is lost. See how far it is: npm run batch -- show ${id}`);
    const shown = (await command('show', id)).stdout;
    expect(shown).toContain('no server runs on this data');
    const answered = Number(new RegExp(`progress +(\\d+)/${LONG}`).exec(shown)?.[1]);
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(LONG);
    expect(await command('run', file, '--output', 'other.jsonl')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`is run already, as ${id}`),
    });
    expect((await interrupted(start('run', file), answered)).code).toBe(130);
    expect(await command('run', id)).toMatchObject({
      code: 0,
      stdout: `${LONG} lines, 0 failed; results in ${results}\n`,
    });
    expect(read(results).map(({ custom_id }) => custom_id)).toEqual(flat(LONG).map((_, i) => `line-${i}`));
  });

  it.each([
    ['a file that is not there', ['nope.jsonl'], 'There is no file nope.jsonl'],
    ['a folder', ['run', '.'], '. is no file'],
    ['a batch that failed', ['damaged.jsonl'], 'has failed: '],
    [
      'a command that is not there',
      ['lst'],
      'There is no file lst. npm run batch -- --help tells the commands.',
    ],
    ['an id that is not there', ['show', 'batch_1'], "There is no batch 'batch_1'."],
    ['no id', ['cancel'], "'cancel' needs the id of a batch"],
    ['an endpoint that is not there', ['one.jsonl', '--endpoint', '/v1/x'], 'batches take /v1/completions'],
  ])('explains %s in a sentence', async (_, args, message) => {
    writeFileSync(join(data, 'damaged.jsonl'), Buffer.from([0x1f, 0x8b, 1, 2]));
    write('one.jsonl', flat(1));
    const { code, stderr, stdout } = await command(...args);
    expect([code, stdout]).toEqual([1, '']);
    const said = stderr.trimEnd().split('\n').at(-1) ?? '';
    expect(said).toMatch(/^batch: /);
    expect(said).toContain(message);
    expect(stderr).not.toContain('    at ');
  });

  it('tells its commands', async () => {
    const { code, stdout } = await command('--help');
    expect(code).toBe(0);
    for (const word of ['run FILE', 'run ID', 'list', 'show ID', 'cancel ID']) expect(stdout).toContain(word);
  });
});

describe('with a server', () => {
  it('has it run the file, and cancels; if the server goes away, it goes on itself', async () => {
    const server = await ServerProcess.start({ data: join(data) });
    try {
      await server.ready();
      const outcome = await command(write('night.jsonl', flat(2)));
      expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining('2 lines, 0 failed') });
      expect(outcome.stderr).toContain(`(process ${server.pid}) runs it`);
      expect(outcome.stderr).not.toContain('loading the models');

      const cancelled = start('run', write('cancelled.jsonl', flat(400, 60)));
      await until(async () => (await command('show', await newest())).stdout.includes('in_progress'));
      expect(await command('cancel', await newest())).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('is cancell'),
      });
      expect(await cancelled.ended).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('is cancelled: '),
      });

      const taken = start('run', write('taken.jsonl', flat(60, 24)));
      const isUnderWay = async (): Promise<boolean> => {
        const { body } = await get(`${server.url}/v1/batches?limit=1`);
        const [batch] = body['data'] as { status: string; resident: { input: string; answered: number } }[];
        return batch?.resident.input === 'taken.jsonl' && batch.resident.answered > 0;
      };
      await until(isUnderWay);
      server.signal('SIGKILL');
      const end = await taken.ended;
      expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining('60 lines, 0 failed') });
      expect(end.stderr).toContain('the server is gone: loading the models here');
      expect(read(join(data, 'outbox', 'taken.results.jsonl'))).toHaveLength(60);
    } finally {
      await server.dispose();
      mkdirSync(data, { recursive: true });
    }
    expect(existsSync(data)).toBe(true);
  });
});
