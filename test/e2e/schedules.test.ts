import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppModule, LineSourceProvider, type LineSource } from '../../src/index.js';
import type { LoadedConfig } from '../../src/config/load-config.js';
import { get, post, testConfig } from '../support/app.js';
import { until } from '../support/server.js';

/** What an application adds: notes that came since the last run. */
@LineSourceProvider('notes')
class NoteLines implements LineSource {
  readonly #notes = ['Once upon a time', 'There was a king', 'In a dark wood'];
  runs = 0;

  *lines(): Generator<object> {
    this.runs++;
    for (const [i, prompt] of this.#notes.entries())
      yield { custom_id: `note-${i}`, body: { model: 'tales', prompt, max_tokens: 3, temperature: 0 } };
  }
}

interface Application {
  readonly url: string;
  readonly app: NestExpressApplication;
}

async function start(config: LoadedConfig): Promise<Application> {
  @Module({ imports: [AppModule.forRoot(config)], providers: [NoteLines] })
  class Notes {}
  const app = await NestFactory.create<NestExpressApplication>(Notes, {
    logger: false,
    abortOnError: false,
    bodyParser: false,
    forceCloseConnections: true,
  });
  app.useBodyParser('json');
  try {
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    await app.close();
    throw error;
  }
  return { app, url: await app.getUrl() };
}

const SCHEDULE: LoadedConfig['schedules'][number] = {
  name: 'notes',
  cron: '* * * * * *',
  timeZone: 'Europe/Berlin',
  source: { provider: 'notes' },
  endpoint: '/v1/completions',
  metadata: { from: 'notes' },
  timeoutSeconds: 60,
  missedRuns: 'skip',
};

describe('a schedule of the configuration, over an application with a source', () => {
  const config = { ...testConfig(), schedules: [SCHEDULE] };
  let running: Application;
  beforeAll(async () => {
    running = await start(config);
  });
  afterAll(async () => {
    await running.app.close();
    rmSync(config.data, { recursive: true, force: true });
  });

  const schedule = async () => (await get(`${running.url}/v1/schedules/notes`)).body;
  const batches = async () =>
    (await get(`${running.url}/v1/batches?limit=100`)).body['data'] as Record<string, unknown>[];

  it('runs when its time comes: what its source says is answered as single calls are', async () => {
    const completed = async () => (await batches()).find(({ status }) => status === 'completed');
    await until(async () => (await completed()) !== undefined);
    const batch = await completed();
    expect(batch).toMatchObject({
      endpoint: '/v1/completions',
      metadata: { from: 'notes' },
      request_counts: { total: 3, completed: 3, failed: 0 },
    });
    const output = await fetch(`${running.url}/v1/files/${batch?.['output_file_id'] as string}/content`);
    const lines = (await output.text()).trimEnd().split('\n');
    const first = JSON.parse(lines[0] as string) as {
      custom_id: string;
      response: { body: { choices: { text: string }[] } };
    };
    expect(first.custom_id).toBe('note-0');
    const single = await post(`${running.url}/v1/completions`, {
      model: 'tales',
      prompt: 'Once upon a time',
      max_tokens: 3,
      temperature: 0,
    });
    const [choice] = single.body['choices'] as { text: string }[];
    expect(first.response.body.choices[0]?.text).toBe(choice?.text);
  });

  it('makes one batch of each of its times, and never two beside each other', async () => {
    await until(async () => (await batches()).length >= 3);
    expect((await post(`${running.url}/v1/schedules/notes/pause`, {})).body).toMatchObject({ paused: true });
    // one that is just beginning ends
    const { runs } = running.app.get(NoteLines);
    await until(async () => {
      const all = await batches();
      return all.length >= runs && all.every(({ status }) => status === 'completed');
    });
    const made = await batches();
    expect(made).toHaveLength(running.app.get(NoteLines).runs);
    const times = made.map(({ created_at, completed_at }) => [created_at, completed_at] as [number, number]);
    const overlaps = times.filter(([createdAt], i) => createdAt < (times[i + 1]?.[1] ?? 0)); // the newest first
    expect(overlaps).toEqual([]);
    expect(await schedule()).toMatchObject({ next_run_at: null, last_batch_id: made[0]?.['id'] });
  });

  it('is what it was after a restart, paused too', async () => {
    const before = await schedule();
    await running.app.close();
    running = await start(config);
    expect(await schedule()).toEqual(before);
    expect((await post(`${running.url}/v1/schedules/notes/resume`, {})).body).toMatchObject({
      paused: false,
    });
  });
});

it('a schedule whose source nobody registered stops the start with a sentence', async () => {
  const config = testConfig();
  const wrong = { ...config, schedules: [{ ...SCHEDULE, source: { provider: 'nobody' } }] };
  await expect(start(wrong)).rejects.toThrow(
    "The schedule 'notes' of the configuration is wrong: There is no line source 'nobody': there are notes.",
  );
  rmSync(config.data, { recursive: true, force: true });
});
