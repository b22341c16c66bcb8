import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { residencySchema, type ResidencyBody } from '../../src/residency/residency.schema.js';
import { get, post, startApp, type TestApp } from '../support/app.js';
import { query } from '../support/graphql.js';
import { until } from '../support/server.js';

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server.close());

const REQUESTS = 12;
const TOKENS = 3;

async function ledger(): Promise<ResidencyBody['data'][number]> {
  const { status, body } = await get(`${server.url}/v1/residency`);
  expect(status).toBe(200);
  const [entry] = residencySchema.parse(body).data;
  return entry as ResidencyBody['data'][number];
}

async function metric(name: string, labels = 'model_name="tales"'): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`resident_${name}{${labels}} `));
  return Number(line?.split(' ')[1]);
}

describe('the ledger of a real model', () => {
  it('says N requests and one load, whatever door they came by, and leaves out what failed', async () => {
    const ask = (i: number) =>
      i % 3 === 0
        ? query(server.url, `{ generate(input: { prompt: "Call ${i}", maxTokens: ${TOKENS} }) { text } }`)
        : post(`${server.url}/v1/completions`, {
            model: 'tales',
            prompt: `Call ${i}`,
            max_tokens: TOKENS,
            ignore_eos: true,
          });
    const answers = await Promise.all(Array.from({ length: REQUESTS }, (_, i) => ask(i)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const refused = await post(`${server.url}/v1/completions`, {
      model: 'tales',
      prompt: 'a',
      max_tokens: 5000,
    });
    expect(refused.status).toBe(400);

    const entry = await ledger();
    expect(entry).toMatchObject({ model: 'tales', state: 'ready', loads: 1, requests: REQUESTS });
    expect(entry.reload_seconds_avoided).toBeCloseTo((REQUESTS - 1) * (entry.last_load_seconds as number), 6);
    // all of them within the window, in a minute at least
    expect(entry.requests_per_minute).toBeGreaterThan(0);
    expect(entry.requests_per_minute).toBeLessThanOrEqual(REQUESTS);
    expect(await metric('request_success_total', 'model_name="tales",finished_reason="length"')).toBe(
      REQUESTS,
    );
    expect(await metric('generation_tokens_total')).toBe(REQUESTS * TOKENS);
    expect(await metric('model_loads_total')).toBe(1);
  });

  it('measures what a load and the memory cost, and suggests what follows', async () => {
    await until(async () => (await ledger()).memory_bytes !== null);
    const entry = await ledger();
    // an engine process with Node, ONNX Runtime and 10 million weights
    expect(entry.memory_bytes).toBeGreaterThan(50 * 2 ** 20);
    expect(entry.memory_bytes).toBeLessThan(2 ** 31);
    // it can't have run longer than all cores together
    expect(entry.load_cpu_seconds).toBeGreaterThan(0.05);
    expect(entry.break_even?.requests_per_minute).toBeGreaterThan(0);
    expect(entry.suggestion?.keep_alive).toMatch(/^(always|\d+[smh])$/);
    expect(entry.suggestion?.reason).toContain('GB');
  });
});
