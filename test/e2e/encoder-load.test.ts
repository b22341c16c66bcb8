import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddingResult, ModelProvider } from '../../src/index.js';
import { EncoderFolders, TINY, dispose, provide } from '../support/encoders.js';
import { startHub } from '../support/hub.js';

/** Slow enough for something to wait: a pass takes tens of milliseconds. */
const SLOW = { ...TINY, hidden: 256, layers: 4, intermediate: 1024, context: 128 };
const LONG = 'a '.repeat(120);

const folders = new EncoderFolders();
let source: string;
let models: ModelProvider;

beforeAll(async () => {
  source = await folders.embedding('slow', {}, SLOW);
});
afterAll(() => folders.dispose());

/** One engine for all of them: the last one kills it. */
describe('under load', () => {
  beforeAll(async () => {
    models = await provide([
      { name: 'slow', source, task: 'feature-extraction', threads: 1, batchTokens: 512, maxQueue: 64 },
    ]);
  });
  afterAll(() => dispose(models));

  it('a call that is cancelled ends at once, and its work too', async () => {
    const aborter = new AbortController();
    const cancelled = models.embed({ inputs: Array<string>(300).fill(LONG) }, { signal: aborter.signal });
    await sleep(100);
    aborter.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    expect(models.describe('slow').active).toBe(0);
    const { timing } = await models.embed({ inputs: ['hello'] });
    expect(timing.queueMs).toBeLessThan(2000);
  });

  it('a call that takes longer than it may fails', async () => {
    const late = models.embed({ inputs: Array<string>(300).fill(LONG), timeoutMs: 50 });
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' });
  });

  it('people do not wait for a batch, nor a batch for ever', async () => {
    const batch = models.embed({ inputs: Array<string>(100).fill(LONG) }, { priority: 'background' });
    let batchDone = false;
    void batch.then(() => (batchDone = true));
    await sleep(100);
    const people = await Promise.all(
      Array.from({ length: 8 }, () => models.embed({ inputs: ['hello', LONG] })),
    );
    expect(batchDone).toBe(false);
    expect(people).toHaveLength(8);
    expect((await batch).embeddings).toHaveLength(100);
  });

  it('a long list of inputs does not hold up a short one', async () => {
    const long = models.embed({ inputs: Array<string>(100).fill(LONG) });
    let longDone = false;
    void long.then(() => (longDone = true));
    await sleep(100);
    await models.embed({ inputs: [LONG] });
    expect(longDone).toBe(false);
    await long;
  });

  it('more than the queue takes is refused', async () => {
    const settled = await Promise.allSettled(
      Array.from({ length: 70 }, () => models.embed({ inputs: ['hello'] })),
    );
    const refused = settled.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(6);
    expect(refused[0]).toMatchObject({ reason: { code: 'queue_full' } });
  });

  it('an engine that is killed loses no call: each is begun anew', async () => {
    const { instanceId: before, pid } = models.describe('slow');
    const [expected] = (await models.embed({ inputs: [LONG] })).embeddings;
    const calls = Array.from({ length: 20 }, () => models.embed({ inputs: [LONG, 'hello'] }));
    await sleep(50);
    process.kill(pid as number, 'SIGKILL');
    const answers = await Promise.all(calls);
    for (const { embeddings } of answers)
      for (const [i, value] of (embeddings[0] as Float32Array).entries())
        expect(Math.abs(value - (expected?.[i] as number))).toBeLessThan(1e-5);
    expect(new Set(answers.map(({ instanceId }: EmbeddingResult) => instanceId))).toContain(
      models.describe('slow').instanceId,
    );
    expect(models.describe('slow')).toMatchObject({ loads: 2 });
    expect(models.describe('slow').instanceId).not.toBe(before);
  });
});

describe('a load that fails says why', () => {
  it.each([
    [
      'a reranker with three labels',
      'reranking',
      'a reranker has one output, not 3; set task: text-classification',
    ],
    [
      'a classifier that is to embed',
      'feature-extraction',
      "its graph has no output 'last_hidden_state', but logits",
    ],
  ] as const)('%s', async (_, task, message) => {
    const folder = await folders.classifier(`wrong-${task}`, 3);
    await expect(provide([{ name: 'wrong', source: folder, task }])).rejects.toThrow(message);
  });

  it('an embedding model that is to classify', async () => {
    const failed = provide([{ name: 'wrong', source, task: 'text-classification' }]);
    await expect(failed).rejects.toThrow("its graph has no output 'logits', but last_hidden_state");
  });
});

it('a model of the hub has the settings of its files, and keeps them', async () => {
  const folder = await folders.embedding('hub', {
    'config_sentence_transformers.json': { prompts: { query: 'query: ' } },
  });
  const cacheDir = join(folders.root, 'cache');
  const hub = await startHub('owner/hub', folder);
  const spec = { name: 'hub', source: 'owner/hub', task: 'feature-extraction' } as const;
  const where = { endpoint: hub.url, cacheDir };
  const expectLoaded = async (): Promise<void> => {
    const provider = await provide([spec], where);
    expect(provider.describe('hub')).toMatchObject({ dtype: 'fp32', promptNames: ['query'] });
    await dispose(provider);
  };
  try {
    await expectLoaded();
    expect(hub.requests.filter(({ file }) => file?.includes('sentence'))).toHaveLength(1);
  } finally {
    await hub.close();
  }
  // from here on without a network
  await expectLoaded();
  const other = provide([{ ...spec, dtype: 'q8' }], where);
  await expect(other).rejects.toThrow("can't be had from");
});
