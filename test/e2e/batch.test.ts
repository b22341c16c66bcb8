import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InboxTask } from '../../src/index.js';
import { startApp, testConfig, type TestApp } from '../support/app.js';
import { until } from '../support/server.js';

interface ResultLine {
  readonly custom_id: string | null;
  readonly line: number;
  readonly text?: string;
  readonly instance_id: string;
  readonly error: { readonly code: string; readonly param: string | null } | null;
}

function results(server: TestApp, name: string): ResultLine[] {
  const text = readFileSync(join(server.config.batch.outbox, `${name}.results.jsonl`), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ResultLine);
}

const GOOD = { prompt: 'Once upon a time', temperature: 0, max_tokens: 5 };

describe('one file', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp();
    mkdirSync(server.config.batch.inbox, { recursive: true });
  });
  afterAll(() => server.close());

  const run = async (name: string, content: string | Buffer) => {
    const file = join(server.config.batch.inbox, `${name}.jsonl`);
    writeFileSync(file, content);
    return server.app.get(InboxTask).runFile(file);
  };

  it('gives one line per line, in order; what is wrong is told in its place and the rest goes on', async () => {
    const lines: (string | Buffer)[] = [
      JSON.stringify({ custom_id: 'a', ...GOOD }),
      '{"custom_id": "b", ',
      JSON.stringify({ custom_id: 'c', ...GOOD, max_token: 3 }),
      '',
      JSON.stringify({ ...GOOD }),
      JSON.stringify({ custom_id: 'f', ...GOOD, max_tokens: 5000 }),
      JSON.stringify({ custom_id: 'g', model: 'nobody', ...GOOD }),
      Buffer.from([0x7b, 0xff, 0x7d]),
      '[]',
      JSON.stringify({ custom_id: 'j', prompt: ['a', 'b'] }),
      JSON.stringify({
        custom_id: 'k',
        messages: [{ role: 'user', content: 'Hi' }],
        temperature: 0,
        max_tokens: 3,
      }),
      JSON.stringify({ custom_id: 'l', ...GOOD }),
    ];
    const content = Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\r\n')]));
    expect(await run('mixed', content)).toMatchObject({ lines: 12, failed: 9 });

    const found = results(server, 'mixed');
    expect(
      found.map(({ custom_id, line, error }) => [line, custom_id, error?.code ?? null, error?.param ?? null]),
    ).toEqual([
      [1, 'a', null, null],
      [2, null, 'invalid_json', null],
      [3, 'c', 'unknown_parameter', 'max_token'],
      [4, null, 'invalid_json', null],
      [5, null, 'missing_required_parameter', 'custom_id'],
      [6, 'f', 'context_length_exceeded', 'max_tokens'],
      [7, 'g', 'model_not_found', 'model'],
      [8, null, 'invalid_json', null],
      [9, null, 'invalid_json', null],
      [10, 'j', 'invalid_value', 'prompt'],
      [11, 'k', null, null],
      [12, 'l', null, null],
    ]);
    expect(found[0]?.text).toBe(found[11]?.text);
    expect(new Set(found.map(({ instance_id }) => instance_id)).size).toBe(1);
  });

  it('is moved to done, and nothing else is left', async () => {
    await run('moved', JSON.stringify({ custom_id: 'a', ...GOOD }));
    const { inbox, outbox, done } = server.config.batch;
    expect(existsSync(join(inbox, 'moved.jsonl'))).toBe(false);
    expect(existsSync(join(done, 'moved.jsonl'))).toBe(true);
    expect(readdirSync(outbox).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('of a name that was used before overwrites nothing', async () => {
    await run('twice', JSON.stringify({ custom_id: 'first', ...GOOD }));
    await run('twice', JSON.stringify({ custom_id: 'second', ...GOOD }));
    expect(results(server, 'twice')).toMatchObject([{ custom_id: 'first' }]);
    expect(results(server, 'twice-2')).toMatchObject([{ custom_id: 'second' }]);
  });

  it('that is empty gives empty results', async () => {
    expect(await run('empty', '')).toMatchObject({ lines: 0, failed: 0 });
  });
});

describe('the schedule', () => {
  it('finds what comes into the inbox, and runs it once', async () => {
    const config = testConfig();
    const server = await startApp({ ...config, batch: { ...config.batch, cron: '* * * * * *' } });
    try {
      // written elsewhere and moved in, as the README says
      const file = join(server.config.data, 'night.jsonl');
      writeFileSync(
        file,
        Array.from({ length: 20 }, (_, i) => JSON.stringify({ custom_id: `${i}`, ...GOOD })).join('\n'),
      );
      await rename(file, join(server.config.batch.inbox, 'night.jsonl'));
      writeFileSync(join(server.config.batch.inbox, 'notes.txt'), 'not for the batch');
      await until(async () => existsSync(join(server.config.batch.done, 'night.jsonl')));
      expect(results(server, 'night').map(({ custom_id }) => custom_id)).toEqual(
        Array.from({ length: 20 }, (_, i) => `${i}`),
      );
      expect(readdirSync(server.config.batch.inbox)).toEqual(['notes.txt']);
      expect(readdirSync(server.config.batch.outbox)).toEqual(['night.results.jsonl']);
    } finally {
      await server.close();
    }
  });

  it('that a shutdown interrupts leaves the file for the next start', async () => {
    const config = testConfig();
    const server = await startApp(config);
    mkdirSync(config.batch.inbox, { recursive: true });
    const file = join(config.batch.inbox, 'long.jsonl');
    writeFileSync(
      file,
      Array.from({ length: 200 }, (_, i) =>
        JSON.stringify({ custom_id: `${i}`, ...GOOD, max_tokens: 200 }),
      ).join('\n'),
    );
    const running = server.app.get(InboxTask).runFile(file);
    running.catch(() => undefined);
    await until(async () => existsSync(config.batch.outbox) && readdirSync(config.batch.outbox).length === 1);
    await server.app.close();
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    expect(existsSync(file)).toBe(true);
    expect(readdirSync(config.batch.outbox)).toEqual([]);
    rmSync(config.data, { recursive: true });
  });
});
