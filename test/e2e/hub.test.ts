import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ModelProvider, collect } from '../../src/index.js';
import { dispose, provide } from '../support/encoders.js';
import { startApp, testConfig, type TestApp } from '../support/app.js';
import { startHub, type LocalHub } from '../support/hub.js';
import { TALES } from '../support/models.js';

let hub: LocalHub;
beforeEach(async () => {
  hub = await startHub('someone/tales', TALES.source);
});
afterEach(() => hub.close());

function startFromHub(source: string): Promise<TestApp> {
  const config = testConfig([{ ...TALES, source }]);
  return startApp({ ...config, hub: { endpoint: hub.url, cacheDir: join(config.data, 'cache') } });
}

it('a Hugging Face id is downloaded, in the best dtype it has, and answers like the folder', async () => {
  const server = await startFromHub('someone/tales');
  const models = server.app.get(ModelProvider);
  expect(models.describe()).toMatchObject({ state: 'ready', dtype: 'q8', device: 'cpu' });
  const { text } = await collect(
    models.generate({ prompt: { kind: 'text', text: 'Once' }, temperature: 0, maxTokens: 10 }),
  );
  expect(text.length).toBeGreaterThan(0);
  expect(hub.requests).toContain('GET /someone/tales/resolve/main/onnx/model_quantized.onnx');
  await server.close();
});

it('what is in the cache loads without a network', async () => {
  const cacheDir = mkdtempSync(join(tmpdir(), 'resident-cache-'));
  const models = [{ ...TALES, source: 'someone/tales', task: 'text-generation' as const }];
  try {
    await dispose(await provide(models, { endpoint: hub.url, cacheDir }));
    const offline = await provide(models, { endpoint: 'http://127.0.0.1:9', cacheDir });
    expect(offline.describe()).toMatchObject({ state: 'ready', dtype: 'q8' });
    await dispose(offline);
  } finally {
    rmSync(cacheDir, { recursive: true, force: true });
  }
});

it('one that does not exist is an error that says where it was looked for', async () => {
  await expect(startFromHub('someone/else')).rejects.toThrow(
    /someone\/else.*can't be had from http:\/\/127\.0\.0\.1/,
  );
});

it('a revision that does not exist is an error', async () => {
  await expect(startFromHub('someone/tales@v9')).rejects.toMatchObject({ code: 'source_not_found' });
});
