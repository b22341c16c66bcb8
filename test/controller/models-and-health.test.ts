import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HealthModule, OpenAiModule, type EngineState } from '../../src/index.js';
import { get } from '../support/app.js';
import { INSTANCE, startOverFake, type FakeApp } from '../support/fake-models.js';

let fake: FakeApp;
beforeAll(async () => {
  fake = await startOverFake(OpenAiModule, HealthModule);
});
afterAll(() => fake.app.close());

const RESIDENT = {
  task: 'text-generation',
  state: 'ready',
  instanceId: INSTANCE,
  loads: 1,
  loadMs: 400,
  device: 'cpu',
  dtype: 'q8',
};

describe('GET /v1/models', () => {
  it("lists in OpenAI's format, with what residency adds", async () => {
    expect(await get(`${fake.url}/v1/models`)).toMatchObject({
      status: 200,
      body: {
        object: 'list',
        data: [
          { id: 'tales', object: 'model', created: 1767323045, owned_by: 'resident', resident: RESIDENT },
        ],
      },
    });
  });

  it.each(['tales', 'owner/name', 'owner%2Fname'])('gives %s alone', async (name) => {
    expect(await get(`${fake.url}/v1/models/${name}`)).toMatchObject({
      status: 200,
      body: { id: decodeURIComponent(name), resident: RESIDENT },
    });
  });

  it('does not know others', async () => {
    expect(await get(`${fake.url}/v1/models/x`)).toMatchObject({
      status: 404,
      body: { error: { code: 'model_not_found', type: 'invalid_request_error' } },
    });
  });
});

describe('health', () => {
  it.each<[EngineState, number]>([
    ['ready', 200],
    ['loading', 503],
    ['draining', 503],
    ['failed', 503],
    ['stopped', 503],
    ['idle', 503],
  ])('while the model is %s readiness answers %i and liveness 200', async (state, status) => {
    fake.models.state = state;
    const ready = await get(`${fake.url}/health/ready`);
    expect(ready).toMatchObject({ status, body: { models: { tales: state } } });
    expect(ready.headers.get('retry-after')).toBe(status === 503 ? '1' : null);
    expect(await get(`${fake.url}/health/live`)).toMatchObject({ status: 200, body: { status: 'ok' } });
    fake.models.state = 'ready';
  });
});
