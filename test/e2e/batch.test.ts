import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BatchesService } from '../../src/batch/batches.service.js';
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

  it('that can not be read at all stays where it is, and says why', async () => {
    await expect(run('damaged', Buffer.from([0x1f, 0x8b, 1, 2, 3]))).rejects.toThrow('gzip');
    expect(readdirSync(server.config.batch.inbox)).toEqual(['damaged.jsonl']);
  });

  it('may be compressed', async () => {
    const { inbox, done } = server.config.batch;
    const file = join(inbox, 'small.jsonl.gz');
    writeFileSync(file, gzipSync(JSON.stringify({ custom_id: 'a', ...GOOD })));
    expect(await server.app.get(InboxTask).runFile(file)).toMatchObject({ lines: 1, failed: 0 });
    expect(results(server, 'small')).toMatchObject([{ custom_id: 'a', line: 1 }]);
    expect(readdirSync(done)).toContain('small.jsonl.gz');
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
      // the input is moved before the results get their name
      await until(async () => existsSync(join(server.config.batch.outbox, 'night.results.jsonl')));
      expect(results(server, 'night').map(({ custom_id }) => custom_id)).toEqual(
        Array.from({ length: 20 }, (_, i) => `${i}`),
      );
      expect(readdirSync(server.config.batch.inbox)).toEqual(['notes.txt']);
      expect(readdirSync(server.config.batch.outbox)).toEqual(['night.results.jsonl']);
    } finally {
      await server.close();
    }
  });

  it('takes up what has come while no server ran, and goes on where a shutdown interrupted it', async () => {
    const config = testConfig();
    const watching = { ...config, batch: { ...config.batch, cron: '* * * * * *' } };
    mkdirSync(config.batch.inbox, { recursive: true });
    const lines = Array.from({ length: 100 }, (_, i) =>
      JSON.stringify({ custom_id: `${i}`, ...GOOD, max_tokens: 40 }),
    );
    writeFileSync(join(config.batch.inbox, 'long.jsonl'), lines.join('\n'));
    const first = await startApp(watching);
    const answered = async ({ app }: TestApp): Promise<number> => {
      const [batch] = (await app.get(BatchesService).list({ limit: 1 })).batches;
      return batch ? batch.counts.completed : 0;
    };
    await until(async () => (await answered(first)) > 0);
    await first.app.close();
    expect(existsSync(join(config.batch.inbox, 'long.jsonl'))).toBe(true);
    expect(readdirSync(config.batch.outbox)).toEqual([]);

    const second = await startApp(watching);
    const before = await answered(second);
    expect(before).toBeGreaterThan(0);
    await until(async () => existsSync(join(config.batch.done, 'long.jsonl')));
    await until(async () => existsSync(join(config.batch.outbox, 'long.results.jsonl')));
    const found = results(second, 'long');
    expect(found.map(({ custom_id }) => custom_id)).toEqual(lines.map((_, i) => `${i}`));
    // what the first one answered carries its instance still: it was not run again
    const [instance] = [found.at(-1)?.instance_id];
    expect(found.filter(({ instance_id }) => instance_id !== instance)).toHaveLength(before);
    await second.close();
  });

  it('runs a file anew that is written to while it runs', async () => {
    const server = await startApp();
    const { inbox, done } = server.config.batch;
    mkdirSync(inbox, { recursive: true });
    const file = join(inbox, 'growing.jsonl');
    const line = (id: string) => `${JSON.stringify({ custom_id: id, ...GOOD })}\n`;
    writeFileSync(file, line('a') + line('b'));
    let grown = false;
    const result = await server.app.get(InboxTask).runFile(file, {
      onProgress: () => {
        if (!grown) appendFileSync(file, line('c'));
        grown = true;
      },
    });
    expect(result).toMatchObject({ lines: 3, failed: 0 });
    expect(results(server, 'growing').map(({ custom_id }) => custom_id)).toEqual(['a', 'b', 'c']);
    expect(readFileSync(join(done, 'growing.jsonl'), 'utf8').split('\n')).toHaveLength(4);
    await server.close();
  });
});
