import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { query } from '../support/graphql.js';
import { BODY, call, errorOf, FAR, startSchedules, type ScheduleApp } from '../support/schedule-app.js';

let app: ScheduleApp;
beforeAll(async () => {
  app = await startSchedules(null);
});
afterAll(() => app.close());

describe('schedules over REST', () => {
  it('are made, changed, paused, run and deleted', async () => {
    const made = await call(app.url, 'POST', '/v1/schedules', {
      ...BODY,
      metadata: { team: 'a' },
      timeout_seconds: 3600,
    });
    expect(made.status).toBe(200);
    expect(made.body).toEqual({
      id: expect.stringMatching(/^sched_[0-9a-f]{24}$/) as string,
      object: 'schedule',
      ...BODY,
      metadata: { team: 'a' },
      timeout_seconds: 3600,
      missed_runs: 'skip',
      paused: false,
      origin: 'api',
      created_at: expect.closeTo(Date.now() / 1000, -1) as number,
      next_run_at: expect.any(Number) as number,
      last_run_at: null,
      last_outcome: null,
      last_batch_id: null,
    });
    const id = made.body['id'] as string;
    const nextRun = new Date((made.body['next_run_at'] as number) * 1000);
    expect(nextRun.toLocaleTimeString('en-GB', { timeZone: 'Europe/Berlin' })).toBe('02:30:00');

    expect((await call(app.url, 'GET', `/v1/schedules/${id}`)).body).toEqual(made.body);
    expect((await call(app.url, 'GET', '/v1/schedules/mine')).body).toEqual(made.body);
    const changed = await call(app.url, 'PATCH', `/v1/schedules/${id}`, {
      cron: '0 5 * * *',
      source: { inbox: 'crm-*.jsonl' },
      metadata: null,
    });
    expect(changed.body).toMatchObject({
      name: 'mine',
      cron: '0 5 * * *',
      source: { inbox: 'crm-*.jsonl' },
      metadata: null,
      timeout_seconds: 3600,
    });
    expect((await call(app.url, 'POST', `/v1/schedules/${id}/pause`)).body).toMatchObject({
      paused: true,
      next_run_at: null,
    });
    expect((await call(app.url, 'POST', `/v1/schedules/${id}/resume`)).body).toMatchObject({ paused: false });
    expect((await call(app.url, 'POST', '/v1/schedules/mine/run')).body).toMatchObject({
      last_outcome: 'started: no new files',
      last_run_at: expect.any(Number) as number,
    });
    const { body } = await call(app.url, 'GET', '/v1/schedules');
    expect((body['data'] as { name: string }[]).map(({ name }) => name)).toEqual(['mine', 'nightly']);
    expect((await call(app.url, 'DELETE', `/v1/schedules/${id}`)).body).toEqual({
      id,
      object: 'schedule',
      deleted: true,
    });
    expect(errorOf(await call(app.url, 'GET', `/v1/schedules/${id}`))).toEqual([
      404,
      'schedule_not_found',
      null,
    ]);
  });

  it('of a registered source make a batch of its lines when they are run', async () => {
    const ran = await call(app.url, 'POST', '/v1/schedules/nightly/run');
    expect(ran.body).toMatchObject({
      origin: 'config',
      last_outcome: expect.stringMatching(/^started: batch_/) as string,
    });
    const id = ran.body['last_batch_id'] as string;
    const batch = await call(app.url, 'GET', `/v1/batches/${id}`);
    const file = await fetch(`${app.url}/v1/files/${batch.body['input_file_id'] as string}/content`);
    expect(await file.json()).toEqual({
      custom_id: 'a',
      method: 'POST',
      url: '/v1/completions',
      body: { model: 'tales', prompt: 'Once' },
    });
    const again = await call(app.url, 'POST', '/v1/schedules/nightly/run');
    expect(errorOf(again)).toEqual([409, 'conflict', null]);
    expect((again.body['error'] as { message: string }).message).toContain(id);
  });

  it.each([
    ['POST', '/v1/schedules', { ...BODY, cron: 'nightly' }, [400, 'invalid_value', 'cron']],
    ['POST', '/v1/schedules', { ...BODY, cron: '0 0 31 2 *' }, [400, 'invalid_value', 'cron']],
    ['POST', '/v1/schedules', { ...BODY, time_zone: 'Europe/Atlantis' }, [400, 'invalid_value', 'time_zone']],
    ['POST', '/v1/schedules', { ...BODY, source: { ftp: 'x' } }, [400, 'invalid_value', 'source']],
    [
      'POST',
      '/v1/schedules',
      { ...BODY, source: { inbox: 'a', file: 'b' } },
      [400, 'invalid_value', 'source'],
    ],
    [
      'POST',
      '/v1/schedules',
      { ...BODY, source: { provider: 'erp' } },
      [400, 'invalid_value', 'source.provider'],
    ],
    [
      'POST',
      '/v1/schedules',
      { ...BODY, source: { file: 'file-0' } },
      [404, 'file_not_found', 'source.file'],
    ],
    ['POST', '/v1/schedules', { ...BODY, endpoint: '/v1/images' }, [400, 'invalid_value', 'endpoint']],
    ['POST', '/v1/schedules', { ...BODY, name: 'inbox' }, [400, 'invalid_value', 'name']],
    ['POST', '/v1/schedules', { ...BODY, name: 'nightly' }, [409, 'conflict', 'name']],
    ['POST', '/v1/schedules', { ...BODY, name: '' }, [400, 'invalid_value', 'name']],
    ['POST', '/v1/schedules', { ...BODY, timeout_seconds: 0.5 }, [400, 'invalid_value', 'timeout_seconds']],
    ['POST', '/v1/schedules', { ...BODY, when: 'now' }, [400, 'unknown_parameter', 'when']],
    ['POST', '/v1/schedules', { name: 'x' }, [400, 'missing_required_parameter', 'cron']],
    ['PATCH', '/v1/schedules/nightly', { cron: FAR }, [409, 'conflict', null]],
    ['DELETE', '/v1/schedules/nightly', undefined, [409, 'conflict', null]],
    ['PATCH', '/v1/schedules/nobody', { cron: FAR }, [404, 'schedule_not_found', null]],
    ['POST', '/v1/schedules/nobody/run', undefined, [404, 'schedule_not_found', null]],
    ['POST', '/v1/schedules/nobody/pause', undefined, [404, 'schedule_not_found', null]],
  ])('%s %s that is wrong is refused (%#)', async (method, path, body, expected) => {
    expect(errorOf(await call(app.url, method, path, body))).toEqual(expected);
  });

  it('take any body without failing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.constantFrom(...Object.keys(BODY)), async (value, key) => {
        const answer = await call(app.url, 'POST', '/v1/schedules', {
          ...BODY,
          name: 'nightly',
          [key]: value,
        });
        expect([400, 404, 409, 200]).toContain(answer.status);
        if (answer.status === 200)
          await call(app.url, 'DELETE', `/v1/schedules/${answer.body['id'] as string}`);
      }),
      { numRuns: 60 },
    );
  });
});

describe('schedules over GraphQL', () => {
  const FIELDS =
    '{ id name cron timeZone endpoint source { file inbox provider } metadata { key value } timeoutSeconds missedRuns paused origin nextRunAt lastOutcome lastBatchId }';
  const ask = async (text: string, variables = {}) =>
    (await query(app.url, text, variables)).body as {
      data: Record<string, Record<string, unknown>>;
      errors?: { message: string; extensions: { code: string; param?: string } }[];
    };

  it('are made, changed, paused, run and deleted', async () => {
    const input = {
      name: 'graph',
      cron: FAR,
      source: { inbox: '*.jsonl' },
      endpoint: '/v1/embeddings',
      metadata: [{ key: 'a', value: 'b' }],
      missedRuns: 'run_once',
    };
    const made = await ask(
      `mutation ($input: CreateScheduleInput!) { createSchedule(input: $input) ${FIELDS} }`,
      { input },
    );
    expect(made.errors).toBeUndefined();
    expect(made.data['createSchedule']).toMatchObject({
      ...input,
      timeZone: 'UTC',
      source: { file: null, inbox: '*.jsonl', provider: null },
      origin: 'api',
    });
    const id = made.data['createSchedule']?.['id'];
    const change = { timeZone: 'Asia/Tokyo', name: null, metadata: null };
    const changed = await ask(
      `mutation ($id: String!, $change: UpdateScheduleInput!) { updateSchedule(id: $id, input: $change) ${FIELDS} }`,
      { id, change },
    );
    expect(changed.data['updateSchedule']).toMatchObject({
      name: 'graph',
      timeZone: 'Asia/Tokyo',
      metadata: [],
      missedRuns: 'run_once',
    });
    expect(
      (await ask(`mutation { pauseSchedule(id: "graph") ${FIELDS} }`)).data['pauseSchedule'],
    ).toMatchObject({ paused: true, nextRunAt: null });
    expect(
      (await ask(`mutation { resumeSchedule(id: "graph") ${FIELDS} }`)).data['resumeSchedule'],
    ).toMatchObject({ paused: false });
    expect((await ask(`mutation { runSchedule(id: "graph") ${FIELDS} }`)).data['runSchedule']).toMatchObject({
      lastOutcome: 'started: no new files',
    });
    expect((await ask(`{ schedule(id: "graph") ${FIELDS} }`)).data['schedule']).toMatchObject({ id });
    expect((await ask('{ schedules { name } }')).data['schedules']).toEqual([
      { name: 'graph' },
      { name: 'nightly' },
    ]);
    expect((await ask('mutation { deleteSchedule(id: "graph") { id } }')).data['deleteSchedule']).toEqual({
      id,
    });
  });

  it.each([
    ['mutation { runSchedule(id: "nobody") { id } }', 'schedule_not_found'],
    ['mutation { deleteSchedule(id: "nightly") { id } }', 'conflict'],
    [
      'mutation { createSchedule(input: {name: "x", cron: "never", source: {inbox: "*"}, endpoint: "/v1/embeddings"}) { id } }',
      'invalid_value',
    ],
    [
      'mutation { createSchedule(input: {name: "x", cron: "* * * * *", source: {}, endpoint: "/v1/embeddings"}) { id } }',
      'invalid_value',
    ],
  ])('%s: %s', async (text, code) => {
    expect((await ask(text)).errors?.[0]?.extensions.code).toBe(code);
  });
});
