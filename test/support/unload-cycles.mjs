// Loads and unloads a model many times through the built program, and prints what the server's and the engine's process
// take up after each load: `node --expose-gc test/support/unload-cycles.mjs models/tales 21`. With `scripted` for a folder it runs
// over the scripted engine, which has nothing to tell of itself.
import { NestFactory } from '@nestjs/core';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ModelModule, ModelProvider } from '../../dist/index.js';

const [source, cycles] = process.argv.slice(2);
const isScripted = source === 'scripted';
const spec = { name: 'm', source, task: 'text-generation', device: 'cpu', dtype: 'auto', load: 'lazy' };
const hub = {
  endpoint: 'http://localhost',
  cacheDir: join(tmpdir(), 'resident-unload-cycles'),
  offline: true,
};
const engineEntry = fileURLToPath(new URL('./scripted-engine.mjs', import.meta.url));

const root = ModelModule.forRoot({
  models: [spec],
  hub,
  drainSeconds: 5,
  ...(isScripted ? { engineEntry } : {}),
});
const app = await NestFactory.createApplicationContext(root, { logger: false });
const models = app.get(ModelProvider);
for (let i = 0; i < Number(cycles); i++) {
  await models.complete({ prompt: { kind: 'text', text: 'Once upon a time' }, temperature: 0, maxTokens: 8 });
  const engine = isScripted ? undefined : await engineRss();
  await models.unload('m');
  process.stdout.write(`${JSON.stringify({ server: settledRss(), engine })}\n`);
}
await app.close();

/** Once it was asked after the generation. */
async function engineRss() {
  models.usage();
  await sleep(50);
  return models.usage()[0].engineRss;
}

/** What the collector can give back is not a leak. */
function settledRss() {
  for (let i = 0; i < 3; i++) globalThis.gc();
  return process.memoryUsage.rss();
}
