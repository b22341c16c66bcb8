import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelLoadError, ModelProvider } from '../../src/index.js';
import { get, post, startApp, testConfig, type TestApp, type TestModel } from '../support/app.js';
import { query } from '../support/graphql.js';
import { GOLDEN, GOLDEN_SKIP, TALES } from '../support/models.js';
import { writeUnknownGraph } from '../support/unknown-graph.js';

/** Keys and values of 32 tokens: 8 layers with 2 heads of 32 float32. */
const TALES_BLOCK = 32 * 8 * 2 * 2 * 32 * 4;

const residentOf = async (server: TestApp, name: string): Promise<Record<string, unknown>> =>
  (await get(`${server.url}/v1/models/${name}`)).body['resident'] as Record<string, unknown>;

describe('GET /v1/models/{name}', () => {
  let server: TestApp;
  beforeAll(async () => {
    const tiny = { ...TALES, name: 'tiny', kvCacheMemory: 4 * TALES_BLOCK };
    const modes = (['plain', 'inplace', 'auto'] as const).map((kvCache) => ({
      ...TALES,
      name: kvCache,
      kvCache,
      maxRows: 4,
    }));
    server = await startApp(testConfig([...modes, tiny]));
  });
  afterAll(() => server.close());

  it.each([
    ['plain', 'plain'],
    ['inplace', 'inplace'],
    ['auto', 'inplace'],
  ])('of kvCache %s says %s', async (name, kvCache) => {
    // what four rows of the whole context take, and no more
    expect(await residentOf(server, name)).toMatchObject({
      kvCache,
      kvCacheTokens: 4 * 1024,
      batchInvariant: true,
    });
    expect(await residentOf(server, name)).not.toHaveProperty('kvCacheReason');
    const { body } = await query(
      server.url,
      'query ($name: String!) { model(name: $name) { kvCache kvCacheTokens batchInvariant } }',
      { name },
    );
    expect(body).toEqual({ data: { model: { kvCache, kvCacheTokens: 4096, batchInvariant: true } } });
  });

  it('of one with little memory says how much it holds, and more is refused at once', async () => {
    expect(await residentOf(server, 'tiny')).toMatchObject({ kvCacheTokens: 128 });
    const ask = (prompt: number[], max_tokens?: number) =>
      post(`${server.url}/v1/completions`, {
        model: 'tiny',
        prompt,
        max_tokens,
        temperature: 0,
        ignore_eos: true,
      });
    const prompt = Array.from({ length: 80 }, (_, i) => i + 5);
    expect(await ask(prompt, 49)).toMatchObject({
      status: 400,
      body: {
        error: {
          code: 'context_length_exceeded',
          message: expect.stringMatching(/holds 128 tokens.*take 129.*kvCacheMemory/) as string,
        },
      },
    });
    expect(await ask(prompt, 48)).toMatchObject({ status: 200, body: { usage: { completion_tokens: 48 } } });
    // without a number of its own, it gets what there is
    const open = { model: 'tiny', prompt: { kind: 'tokens', tokens: prompt }, ignoreEos: true } as const;
    const { usage } = await server.app.get(ModelProvider).complete(open);
    expect(usage.completionTokens).toBe(48);
    expect(await ask([...prompt, ...prompt])).toMatchObject({
      status: 400,
      body: { error: { code: 'context_length_exceeded', param: 'prompt' } },
    });
    // two that don't fit together take turns
    const both = await Promise.all([ask(prompt, 48), ask(prompt.toReversed(), 48)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
  });
});

it.each([TALES_BLOCK / 2, TALES_BLOCK])(
  'a cache of %i bytes, too small to run anything, is refused when the model is loaded',
  async (kvCacheMemory) => {
    const loading = startApp(testConfig([{ ...TALES, kvCacheMemory }]));
    await expect(loading).rejects.toThrow(/^Model 'tales': .*KV cache.*[Rr]aise kvCacheMemory/);
  },
);

describe.skipIf(!GOLDEN)(`graphs (${GOLDEN_SKIP})`, () => {
  const { model, rows } = GOLDEN ?? { model: TALES, rows: [] };
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'resident-odd-'));
    if (GOLDEN) writeUnknownGraph(model.source, folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const odd = (more: Partial<TestModel>): TestModel => ({ ...model, name: 'odd', source: folder, ...more });

  it('that quantise activations are told not to be batch invariant', async () => {
    const server = await startApp(testConfig([{ ...model, dtype: 'q8' }]));
    expect(await residentOf(server, model.name)).toMatchObject({ kvCache: 'inplace', batchInvariant: false });
    await server.close();
  });

  it('that are not understood are refused with kvCache: inplace', async () => {
    const loading = startApp(testConfig([odd({ kvCache: 'inplace' })]));
    const error: unknown = await loading.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ModelLoadError);
    expect((error as Error).message).toMatch(
      /^Model 'odd': kvCache 'inplace' does not understand the graph of '.*': .*attention_mask.* Set kvCache: auto or plain\.$/,
    );
  });

  it('that are not understood run as they are with kvCache: auto, and it is told why', async () => {
    const server = await startApp(testConfig([odd({ kvCache: 'auto' })]));
    expect(await residentOf(server, 'odd')).toMatchObject({
      kvCache: 'plain',
      kvCacheReason: expect.stringContaining('attention_mask') as string,
      batchInvariant: true,
    });
    const asked = rows.map(({ prompt }) =>
      server.app
        .get(ModelProvider)
        .complete({ prompt: { kind: 'text', text: prompt }, temperature: 0, maxTokens: 180 }),
    );
    const texts = (await Promise.all(asked)).map(({ text }, i) => `${rows[i]?.prompt}${text}`);
    expect(texts).toEqual(rows.map(({ text }) => text));
    await server.close();
  });
});
