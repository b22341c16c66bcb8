import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ModelProvider, collect, type HubOptions } from '../../src/index.js';
import { dispose, provide } from '../support/encoders.js';
import { get, startApp, testConfig, type TestApp } from '../support/app.js';
import { startHub, type LocalHub } from '../support/hub.js';
import { TALES } from '../support/models.js';

const WEIGHTS = 'onnx/model_quantized.onnx';

let hub: LocalHub;
let cacheDir: string;
let provider: ModelProvider | undefined;
beforeEach(async () => {
  hub = await startHub('someone/tales', TALES.source);
  cacheDir = mkdtempSync(join(tmpdir(), 'resident-cache-'));
});
afterEach(async () => {
  await dispose(provider);
  provider = undefined;
  await hub.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

function startFromHub(source: string): Promise<TestApp> {
  const config = testConfig([{ ...TALES, source }]);
  return startApp({
    ...config,
    hub: { ...config.hub, endpoint: hub.url, cacheDir: join(config.data, 'cache') },
  });
}

async function load(options: Partial<HubOptions> = {}, source = 'someone/tales'): Promise<ModelProvider> {
  await dispose(provider);
  provider = await provide([{ ...TALES, source, task: 'text-generation' }], {
    endpoint: hub.url,
    cacheDir,
    ...options,
  });
  return provider;
}

it('a Hugging Face id is downloaded, in the best dtype it has and over a bad line, and answers like the folder', async () => {
  let left = 3;
  hub.script = ({ cdn, file }) =>
    cdn && file === WEIGHTS && left-- > 0 ? { kind: 'disconnect', after: 1_000_000 } : undefined;
  const server = await startFromHub('someone/tales');
  const models = server.app.get(ModelProvider);
  expect(models.describe()).toMatchObject({ state: 'ready', dtype: 'q8', device: 'cpu', commit: hub.commit });
  const { text } = await collect(
    models.generate({ prompt: { kind: 'text', text: 'Once' }, temperature: 0, maxTokens: 10 }),
  );
  expect(text.length).toBeGreaterThan(0);
  const ranges = hub.requests.filter(({ cdn, file }) => cdn && file === WEIGHTS).map(({ range }) => range);
  expect(ranges).toEqual([
    undefined,
    ...Array.from({ length: 3 }, () => expect.stringMatching(/^bytes=[1-9]\d+-$/) as string),
  ]);
  const { body } = await get(`${server.url}/v1/models/tales`);
  expect(body['resident']).toMatchObject({ commit: hub.commit });
  await server.close();
});

it('what is in the cache loads without a network, and without asking for it', async () => {
  await load();
  const requests = hub.requests.length;
  expect((await load()).describe()).toMatchObject({ state: 'ready', dtype: 'q8', commit: hub.commit });
  expect(hub.requests).toHaveLength(requests);
});

it('what Transformers.js has left in the cache loads without a network', async () => {
  cpSync(TALES.source, join(cacheDir, 'someone', 'tales'), { recursive: true });
  expect((await load({ offline: true })).describe()).toMatchObject({ state: 'ready', dtype: 'q8' });
});

it('one that does not exist is an error that says where it was looked for', async () => {
  await expect(load({}, 'someone/else')).rejects.toMatchObject({
    code: 'source_not_found',
    message: expect.stringMatching(
      /'someone\/else' here, and http:\/\/127\.0\.0\.1\S+ has no model someone\/else/,
    ) as string,
  });
});

it('an explicit dtype that it has not is refused with what it has', async () => {
  await expect(
    provide([{ ...TALES, dtype: 'q4', source: 'someone/tales' }], { endpoint: hub.url, cacheDir }),
  ).rejects.toMatchObject({
    code: 'weights_not_found',
    message: expect.stringContaining('Available: q8') as string,
  });
  expect(hub.requests.some(({ file }) => file === WEIGHTS)).toBe(false);
});
