import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GraphqlApiModule } from '../../src/index.js';
import { residencySchema } from '../../src/residency/residency.schema.js';
import { get } from '../support/app.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { PRICES, USED } from '../support/fake-models.js';
import { query } from '../support/graphql.js';

let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake('1mb', GraphqlApiModule.forRoot({ introspection: true, residency: true }));
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.state = 'ready';
  fake.models.used = { ...USED, loads: 2, loadMs: 3000, lastLoadMs: 1000, residentSeconds: 61.5 };
});

const MEASURED = { loadCpuMs: 20_000, engineRss: 2 ** 30 };

describe('GET /v1/residency', () => {
  it('says what was loaded and served, and nothing of what is not measured', async () => {
    fake.models.state = 'idle';
    fake.models.used = { ...USED, loads: 0, loadMs: 0, loadCpuMs: 0 };
    const { status, body } = await get(`${fake.url}/v1/residency`);
    expect(status).toBe(200);
    expect(body).toEqual({
      object: 'residency',
      since: expect.stringMatching(/^\d{4}-.*Z$/),
      window_seconds: 600,
      prices: { gb_hour: PRICES.gbHourPrice, cpu_hour: PRICES.cpuHourPrice, currency: 'EUR' },
      data: [
        {
          model: 'tales',
          state: 'idle',
          loads: 0,
          load_seconds: 0,
          last_load_seconds: null,
          load_cpu_seconds: null,
          requests: 0,
          reload_seconds_avoided: 0,
          requests_per_minute: 0,
          resident_seconds: 0,
          memory_bytes: null,
          break_even: null,
          suggestion: null,
        },
      ],
    });
    expect(residencySchema.safeParse(body).error).toBeUndefined();
  });

  it('compares what was measured, at the prices of the configuration', async () => {
    fake.models.used = { ...fake.models.used, ...MEASURED };
    for (let i = 0; i < 42; i++) fake.models.serve();
    const { body } = await get(`${fake.url}/v1/residency`);
    expect(residencySchema.safeParse(body).error).toBeUndefined();
    expect(body['data']).toMatchObject([
      {
        model: 'tales',
        loads: 2,
        load_seconds: 3,
        last_load_seconds: 1,
        load_cpu_seconds: 10,
        requests: 42,
        reload_seconds_avoided: 60,
        requests_per_minute: 42,
        resident_seconds: 61.5,
        memory_bytes: 2 ** 30,
        break_even: {
          keep_hour_cost: expect.closeTo(0.006, 9),
          load_cost: expect.closeTo(0.0001, 9),
          requests_per_minute: expect.closeTo(1, 9),
          idle_seconds: expect.closeTo(60, 9),
        },
        suggestion: { keep_alive: 'always', reason: expect.stringContaining('42 requests a minute') },
      },
    ]);
  });

  it('knows what a model took that is not loaded any more, and wakes none to find out', async () => {
    const unloaded = fake.models.used;
    fake.models.used = { ...unloaded, ...MEASURED };
    await get(`${fake.url}/v1/residency`);
    fake.models.state = 'idle';
    fake.models.used = { ...unloaded, loadCpuMs: MEASURED.loadCpuMs };
    const { body } = await get(`${fake.url}/v1/residency`);
    expect(body['data']).toMatchObject([
      { state: 'idle', memory_bytes: 2 ** 30, break_even: { idle_seconds: expect.closeTo(60, 9) } },
    ]);
  });
});

describe('query residency', () => {
  it('says the same', async () => {
    fake.models.used = { ...fake.models.used, ...MEASURED, requests: 42 };
    const { body } = await query(
      fake.url,
      `{ residency { since prices { gbHourPrice cpuHourPrice currency } models {
        model state loads loadSeconds lastLoadSeconds loadCpuSeconds requests reloadSecondsAvoided requestsPerMinute
        residentSeconds memoryBytes breakEven { keepHourCost loadCost requestsPerMinute idleSeconds } suggestion { keepAlive reason }
      } } }`,
    );
    expect(body).toMatchObject({
      data: {
        residency: {
          since: expect.stringMatching(/^\d{4}-.*Z$/),
          prices: PRICES,
          models: [
            {
              model: 'tales',
              state: 'ready',
              loads: 2,
              loadSeconds: 3,
              requests: 42,
              reloadSecondsAvoided: 60,
              memoryBytes: 2 ** 30,
              breakEven: { requestsPerMinute: expect.closeTo(1, 9), idleSeconds: expect.closeTo(60, 9) },
              suggestion: { keepAlive: expect.any(String), reason: expect.any(String) },
            },
          ],
        },
      },
    });
  });
});
