import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MODEL_METRICS, SERVER_METRICS } from '../../src/metrics/metric-definitions.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { USED } from '../support/fake-models.js';

let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake();
  fake.models.used = { ...USED, residentSeconds: 12.5 };
});
afterAll(() => fake.app.close());

interface Sample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

/** The lines of the text format that hold values. */
async function scrape(url: string): Promise<Sample[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (!match) throw new Error(`not a sample: ${line}`);
      const [, name = '', labels = '', value] = match;
      return { name, labels, value: Number(value) };
    });
}

async function valuesOf(...names: string[]): Promise<Record<string, number>> {
  const samples = await scrape(fake.url);
  const wanted = samples.filter(({ name }) => names.includes(name.replace('resident_', '')));
  return Object.fromEntries(
    wanted.map(({ name, labels, value }) => [`${name.replace('resident_', '')}{${labels}}`, value]),
  );
}

describe('GET /metrics', () => {
  it('is text as Prometheus reads it', async () => {
    const response = await fetch(`${fake.url}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    expect(text).toContain('# TYPE resident_model_loads_total counter');
    expect(text).toContain('# TYPE resident_reload_seconds_avoided gauge');
  });

  it('counts what was answered, by model and by how it ended', async () => {
    fake.models.serve({ finishReason: 'stop', promptTokens: 3, completionTokens: 5 });
    fake.models.serve({ finishReason: 'length', promptTokens: 4, completionTokens: 16 });
    fake.models.serve({ kind: 'embed', finishReason: 'stop', promptTokens: 9, completionTokens: 0 });
    const names = ['request_success_total', 'prompt_tokens_total', 'generation_tokens_total'];
    const counted = {
      'request_success_total{model_name="tales",finished_reason="stop"}': 2,
      'request_success_total{model_name="tales",finished_reason="length"}': 1,
      'prompt_tokens_total{model_name="tales"}': 16,
      'generation_tokens_total{model_name="tales"}': 21,
    };
    expect(await valuesOf(...names)).toEqual(counted);
    // reading counts nothing
    expect(await valuesOf(...names)).toEqual(counted);
  });

  it('says what loads took and what they would have taken', async () => {
    const counted = { loads: 2, loadMs: 3000, requests: 42, residentSeconds: 12.5, restarts: 1 };
    fake.models.used = { ...USED, ...counted, engineRss: 2 ** 30 };
    expect(
      await valuesOf(
        'model_loads_total',
        'model_load_seconds_total',
        'reload_seconds_avoided',
        'engine_restarts_total',
        'engine_resident_memory_bytes',
        'model_resident_seconds_total',
        'num_requests_active',
      ),
    ).toEqual({
      'model_loads_total{model_name="tales"}': 2,
      'model_load_seconds_total{model_name="tales"}': 3,
      'model_resident_seconds_total{model_name="tales"}': 12.5,
      'reload_seconds_avoided{model_name="tales"}': 60,
      'engine_restarts_total{model_name="tales"}': 1,
      'engine_resident_memory_bytes{model_name="tales"}': 2 ** 30,
      'num_requests_active{model_name="tales"}': 0,
    });
  });

  it('leaves out what is not known, also what was known once', async () => {
    fake.models.used = USED;
    expect(await valuesOf('engine_resident_memory_bytes', 'engine_event_loop_delay_p99_seconds')).toEqual({});
  });

  it('tells of this process', async () => {
    const values = await valuesOf('server_resident_memory_bytes', 'server_event_loop_delay_seconds');
    expect(values).toEqual({
      'server_resident_memory_bytes{}': expect.any(Number),
      'server_event_loop_delay_seconds{quantile="0.5"}': expect.any(Number),
      'server_event_loop_delay_seconds{quantile="0.99"}': expect.any(Number),
      'server_event_loop_delay_seconds{quantile="1"}': expect.any(Number),
    });
    expect(values['server_resident_memory_bytes{}']).toBeGreaterThan(2 ** 24);
  });

  it('has every name once, and docs/residency.md has them all', async () => {
    const documented = readFileSync(new URL('../../docs/residency.md', import.meta.url), 'utf8');
    const names = [...MODEL_METRICS, ...SERVER_METRICS].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !documented.includes(`\`resident_${name}`))).toEqual([]);
    // counters are called so, and nothing else is
    const misnamed = [...MODEL_METRICS, ...SERVER_METRICS].filter(
      ({ name, type }) => name.endsWith('_total') !== (type === 'counter'),
    );
    expect(misnamed).toEqual([]);
  });

  it('is of one application: another one counts for itself', async () => {
    const other = await startRestOverFake();
    try {
      fake.models.serve({ promptTokens: 1000 });
      const samples = await scrape(other.url);
      expect(samples.find(({ name }) => name === 'resident_prompt_tokens_total')?.value).toBe(0);
    } finally {
      await other.app.close();
    }
    expect(other.models.servedListeners).toBe(0);
  });
});
