// Loads and unloads a model many times through the built program, and prints what the server's and the engine's process
// take up after each load: `node --expose-gc unload-cycles.mjs SOURCE CYCLES`.
import { NestFactory } from '@nestjs/core';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelModule, ModelProvider } from '../../dist/index.js';

const [source, cycles] = process.argv.slice(2);
const spec = { name: 'm', source, task: 'text-generation', device: 'cpu', dtype: 'auto', load: 'lazy' };
const hub = {
  endpoint: 'http://localhost',
  cacheDir: join(tmpdir(), 'resident-unload-cycles'),
  offline: true,
};

const root = ModelModule.forRoot({ models: [spec], hub, drainSeconds: 5 });
const app = await NestFactory.createApplicationContext(root, { logger: false });
const models = app.get(ModelProvider);
for (let i = 0; i < Number(cycles); i++) {
  await models.complete({ prompt: { kind: 'text', text: 'Once upon a time' }, temperature: 0, maxTokens: 8 });
  const engine = await engineRss();
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
