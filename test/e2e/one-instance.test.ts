import { Controller, Get, Injectable, Module, Scope } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LineRunner } from '../../src/batch/execution/line-runner.js';
import { AppModule, collect, InboxTask, ModelProvider } from '../../src/index.js';
import { GenerateResolver } from '../../src/graphql/generate.resolver.js';
import { ChatController } from '../../src/openai/chat.controller.js';
import { CompletionsController } from '../../src/openai/completions.controller.js';
import { get, post, testConfig } from '../support/app.js';
import { query } from '../support/graphql.js';

/** What a user's application may do: a request-scoped consumer, in a module of its own. */
@Injectable({ scope: Scope.REQUEST })
class PerRequestService {
  static constructions = 0;
  constructor(readonly models: ModelProvider) {
    PerRequestService.constructions++;
  }
}

@Controller('custom')
class CustomController {
  constructor(private readonly service: PerRequestService) {}

  @Get()
  async get(): Promise<{ instanceId: string }> {
    const { instanceId } = await collect(
      this.service.models.generate({ prompt: { kind: 'text', text: 'A' }, maxTokens: 1 }),
    );
    return { instanceId };
  }
}

const config = testConfig();

@Module({
  imports: [AppModule.forRoot(config)],
  controllers: [CustomController],
  providers: [PerRequestService],
})
class UserModule {}

let url: string;
let app: Awaited<ReturnType<typeof NestFactory.create>>;
const providers = new Set<ModelProvider>();

beforeAll(async () => {
  app = await NestFactory.create(UserModule, { logger: false, forceCloseConnections: true });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});
afterAll(() => app.close());

const DOORS: readonly ((i: number) => Promise<string>)[] = [
  async (i) => {
    const answer = await post(`${url}/v1/completions`, {
      model: 'tales',
      prompt: `Call ${i}`,
      max_tokens: 2,
    });
    return answer.headers.get('x-resident-instance') ?? '';
  },
  async (i) => {
    const messages = [{ role: 'user', content: `Call ${i}` }];
    const answer = await post(`${url}/v1/chat/completions`, { model: 'tales', messages, max_tokens: 2 });
    return answer.headers.get('x-resident-instance') ?? '';
  },
  async (i) => {
    const { body } = await query(
      url,
      `{ generate(input: { prompt: "Call ${i}", maxTokens: 2 }) { instanceId } }`,
    );
    return (body as { data: { generate: { instanceId: string } } }).data.generate.instanceId;
  },
  async (i) => {
    mkdirSync(config.batch.inbox, { recursive: true });
    const file = join(config.batch.inbox, `call-${i}.jsonl`);
    writeFileSync(file, JSON.stringify({ custom_id: 'a', prompt: `Call ${i}`, max_tokens: 2 }));
    const result = await app.get(InboxTask).runFile(file);
    return (JSON.parse(readFileSync(result.results, 'utf8')) as { instance_id: string }).instance_id;
  },
  async () => ((await get(`${url}/custom`)).body as { instanceId: string }).instanceId,
];

it('100 mixed calls through every door meet one construction, one load, one instance', async () => {
  const ids = await Promise.all(
    Array.from({ length: 100 }, (_, i) => (DOORS[i % DOORS.length] as (i: number) => Promise<string>)(i)),
  );
  expect(PerRequestService.constructions).toBe(20);

  const description = app.get(ModelProvider).describe();
  expect(description).toMatchObject({ state: 'ready', loads: 1, active: 0 });
  expect(new Set(ids)).toEqual(new Set([description.instanceId]));

  for (const consumer of [CompletionsController, ChatController, GenerateResolver, LineRunner])
    providers.add(app.get(consumer).models);
  providers.add((await app.resolve(PerRequestService)).models);
  expect(providers).toEqual(new Set([app.get(ModelProvider)]));
});
