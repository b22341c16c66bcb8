import type { NestExpressApplication } from '@nestjs/platform-express';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp } from '../../src/bootstrap.js';
import { modelSchema, type ModelConfig } from '../../src/config/config.schema.js';
import { loadConfig, type LoadedConfig } from '../../src/config/load-config.js';

export interface TestApp {
  readonly app: NestExpressApplication;
  readonly url: string;
  readonly config: LoadedConfig;
  close(): Promise<void>;
}

/** A model's configuration; what it leaves open has the schema's defaults. */
export type TestModel = Pick<ModelConfig, 'name' | 'source'> & Partial<ModelConfig>;

/** The default configuration, with the first model only if none is named, data and cache in a temporary folder, a free port and the inbox at rest. */
export function testConfig(models?: readonly TestModel[]): LoadedConfig {
  const data = mkdtempSync(join(tmpdir(), 'resident-test-'));
  const config = loadConfig({ RESIDENT_DATA: data, PORT: '0', LOG_LEVEL: 'error' });
  return {
    ...config,
    models: models?.map(withDefaults) ?? config.models.slice(0, 1),
    // nothing that another version of the rewriter has left behind
    hub: { ...config.hub, cacheDir: join(data, 'cache') },
    batch: { ...config.batch, cron: null },
  };
}

function withDefaults(model: TestModel): ModelConfig {
  const { name, source } = model;
  return { ...modelSchema.parse({ name, source }), ...model };
}

/** The real application, listening, over real models. */
export async function startApp(config = testConfig()): Promise<TestApp> {
  const app = await createApp(config);
  await app.listen(config.server.port, config.server.host);
  return {
    app,
    url: await app.getUrl(),
    config,
    async close() {
      await app.close();
      rmSync(config.data, { recursive: true, force: true });
    },
  };
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: Headers;
  // answers are looked at, not typed: each test names the fields it means
  readonly body: Record<string, unknown>;
}

export async function post(url: string, body: unknown, init: RequestInit = {}): Promise<JsonAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

export async function get(url: string): Promise<JsonAnswer> {
  const response = await fetch(url);
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

/** The `data:` lines of a complete event stream. */
export async function readSse(response: Response): Promise<string[]> {
  const text = await response.text();
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => {
      if (!frame.startsWith('data: ')) throw new Error(`not a data frame: ${frame}`);
      return frame.slice('data: '.length);
    });
}
