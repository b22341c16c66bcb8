import { Global, Injectable, Module } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchModuleOptions } from '../../src/batch/batch-options.interface.js';
import {
  BatchModule,
  GraphqlApiModule,
  LineSourceProvider,
  ModelProvider,
  TransportModule,
  type LineSource,
} from '../../src/index.js';
import { TEST_LIMITS } from './batch-doors.js';
import { FakeModels } from './fake-models.js';
import type { JsonAnswer } from './app.js';

export const FAR = '0 0 1 1 *';

@Injectable()
@LineSourceProvider('crm')
class CrmLines implements LineSource {
  async *lines(): AsyncGenerator<object> {
    yield { custom_id: 'a', body: { model: 'tales', prompt: 'Once' } };
  }
}

export interface ScheduleApp {
  readonly url: string;
  close(): Promise<void>;
}

/** The real module over a fake provider; no model answers, so batches stay unfinished. */
export async function startSchedules(adminKey: string | null): Promise<ScheduleApp> {
  const data = mkdtempSync(join(tmpdir(), 'resident-schedules-'));
  const options: BatchModuleOptions = {
    database: { engine: 'sqlite', path: join(data, 'test.db') },
    files: join(data, 'files'),
    redis: null,
    rateLimit: null,
    limits: TEST_LIMITS,
    schedules: [
      {
        name: 'nightly',
        cron: FAR,
        timeZone: 'UTC',
        source: { kind: 'provider', name: 'crm' },
        endpoint: '/v1/completions',
        metadata: null,
        timeoutSeconds: null,
        missedRuns: 'skip',
      },
    ],
    adminKey,
    cron: null,
    inbox: join(data, 'inbox'),
    outbox: join(data, 'outbox'),
    done: join(data, 'done'),
  };
  const models = new FakeModels();
  models.state = 'loading';
  @Global()
  @Module({
    providers: [{ provide: ModelProvider, useValue: waiting(models) }, CrmLines],
    exports: [ModelProvider],
  })
  class FakeModelModule {}
  const testing = await Test.createTestingModule({
    imports: [
      FakeModelModule,
      TransportModule,
      GraphqlApiModule.forRoot({ introspection: true, batches: true }),
      BatchModule.forRoot(options),
    ],
  }).compile();
  const app = testing.createNestApplication<NestExpressApplication>({
    bodyParser: false,
    forceCloseConnections: true,
    logger: false,
  });
  app.useBodyParser('json', { limit: '100kb' });
  await app.listen(0, '127.0.0.1');
  return {
    url: await app.getUrl(),
    async close() {
      await app.close();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** A model that loads for as long as the test takes. */
function waiting(models: FakeModels): FakeModels {
  return Object.assign(models, { whenLoaded: () => new Promise(() => undefined) });
}

export async function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers = {},
): Promise<JsonAnswer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

export const errorOf = ({ status, body }: JsonAnswer) => {
  const { code, param } = body['error'] as { code: string; param: string | null };
  return [status, code, param];
};

export const BODY = {
  name: 'mine',
  cron: '30 2 * * *',
  time_zone: 'Europe/Berlin',
  source: { provider: 'crm' },
  endpoint: '/v1/completions',
};
