import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BatchesService } from '../../src/batch/batches.service.js';
import type { Batch } from '../../src/batch/batch-types.js';
import { FilesService } from '../../src/batch/files.service.js';
import { ModelProvider } from '../../src/index.js';
import { post, startApp, testConfig, type TestApp } from '../support/app.js';
import { ENDED } from '../support/batch-ends.js';
import { until } from '../support/server.js';

interface OutputLine {
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly body: Answer };
}

interface Answer {
  readonly choices: readonly object[];
  readonly usage: { readonly completion_tokens: number };
}

let server: TestApp;
beforeAll(async () => {
  const config = testConfig();
  // prompts are cut as those of single calls, and none begins where another ended: the same to the last digit
  const models = config.models.map((model) => ({
    ...model,
    backgroundChunk: 128,
    prefixCache: false,
  }));
  server = await startApp({ ...config, models });
});
afterAll(() => server.close());

async function* once(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

/** Runs bodies as a batch. @returns the lines of its output */
async function runBatch(endpoint: string, bodies: readonly object[], meanwhile?: () => Promise<void>) {
  const files = server.app.get(FilesService);
  const batches = server.app.get(BatchesService);
  const lines = bodies.map((body, i) =>
    JSON.stringify({ custom_id: `line-${i}`, method: 'POST', url: endpoint, body }),
  );
  const source = once(lines.join('\n'));
  const { id: inputFileId } = await files.upload({ filename: 'input.jsonl', purpose: 'batch', source });
  let batch: Batch = await batches.create({ endpoint, inputFileId });
  await meanwhile?.();
  await until(async () => {
    batch = await batches.get(batch.id);
    return ENDED.includes(batch.status);
  });
  expect(batch).toMatchObject({ status: 'completed', counts: { total: bodies.length, failed: 0 } });
  const { stream } = await files.content(batch.outputFileId ?? '');
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts)
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OutputLine);
}

describe('the output of a batch', () => {
  it.each([
    ['/v1/completions', (i: number) => ({ prompt: `Tale ${i}: once upon a time`, max_tokens: 5 + (i % 20) })],
    [
      '/v1/chat/completions',
      (i: number) => ({ messages: [{ role: 'user', content: `Tell tale ${i}` }], max_tokens: 8 }),
    ],
    ['/v1/tokenize', (i: number) => ({ input: `Once upon ${i} times` })],
  ])('is what single calls are answered, line by line: %s', async (endpoint, body) => {
    const bodies = Array.from({ length: 40 }, (_, i) => ({
      model: 'tales',
      ...body(i),
      ...(endpoint.endsWith('completions') ? { temperature: 0 } : {}),
    }));
    const output = await runBatch(endpoint, bodies);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(bodies.map((_, i) => `line-${i}`));
    for (const [i, { response }] of output.entries()) {
      const alone = await post(`${server.url}${endpoint}`, bodies[i]);
      expect(alone.status).toBe(200);
      expect(response.status_code).toBe(200);
      expect(withoutIdentity(response.body)).toEqual(withoutIdentity(alone.body));
    }
  });
});

it('an engine that is killed in the middle of a batch costs no line, and nothing is called poison', async () => {
  const models = server.app.get(ModelProvider);
  const bodies = Array.from({ length: 60 }, (_, i) => ({
    model: 'tales',
    prompt: `Tale ${i}`,
    max_tokens: 30,
    temperature: 0,
  }));
  const output = await runBatch('/v1/completions', bodies, async () => {
    await until(async () => models.describe().active > 8);
    process.kill(models.describe().pid as number, 'SIGKILL');
  });
  expect(models.describe().loads).toBe(2);
  expect(output.map(({ response }) => response.body.choices.length)).toEqual(bodies.map(() => 1));
});

/** What differs from call to call. */
function withoutIdentity(body: object): object {
  const { id: _id, created: _created, usage, ...rest } = body as Record<string, unknown>;
  const { prompt_tokens, completion_tokens } = (usage ?? {}) as Record<string, unknown>;
  return { ...rest, prompt_tokens, completion_tokens };
}
