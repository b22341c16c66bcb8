import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { post, startApp, testConfig, type TestApp } from '../support/app.js';
import { TestGenerator, type Outcome } from '../support/generators.js';
import { GOLDEN, GOLDEN_SKIP, TALES } from '../support/models.js';
import { expectEquivalent } from '../support/outcomes.js';

const BLOCK = 32;
const ROUNDING = 1e-3;

/** Tokens that differ from place to place, and from seed to seed. */
const tokensOf = (count: number, seed = 0): number[] =>
  Array.from({ length: count }, (_, i) => 3 + ((i * 31 + seed * 97 + ((i * i) % 13)) % 500));

const greedy = (tokens: readonly number[]) => ({
  request: { prompt: { kind: 'tokens', tokens }, temperature: 0, maxTokens: 30, ignoreEos: true } as const,
});
const cachedOf = ({ usage }: Outcome): number | undefined => usage?.cachedTokens;

describe.skipIf(!GOLDEN)(`a prompt whose beginning is known (${GOLDEN_SKIP})`, () => {
  const load = (spec: object) =>
    TestGenerator.load({ source: GOLDEN?.model.source ?? '', dtype: 'fp32', ...spec });
  let cold: TestGenerator;
  beforeAll(async () => {
    cold = await load({ prefixCache: false });
  });

  it.each([1, 31, 32, 33, 64, 65, 200, 300])(
    'gives the same text as a cold one (%i tokens)',
    async (length) => {
      const model = await load({});
      const prompt = greedy(tokensOf(length));
      const runs = [await model.run(prompt), await model.run(prompt), await model.run(prompt)];
      expectEquivalent(
        runs,
        [await cold.run(prompt), await cold.run(prompt), await cold.run(prompt)],
        ROUNDING,
      );
      // in whole blocks, and one token at least is left to run
      const known = Math.floor((length - 1) / BLOCK) * BLOCK;
      expect(runs.map(cachedOf)).toEqual([0, known, known]);
    },
  );

  it('starts from as much as is the same', async () => {
    const model = await load({});
    await model.run(greedy(tokensOf(200)));
    for (const common of [0, 20, 32, 100, 159, 160, 199]) {
      const prompt = greedy([...tokensOf(common), ...tokensOf(60, common + 1)]);
      const run = await model.run(prompt);
      expect(cachedOf(run)).toBe(Math.floor(common / BLOCK) * BLOCK);
      expectEquivalent([run], [await cold.run(prompt)], ROUNDING);
    }
  });

  it('starts from an answer, too: the next turn of a chat', async () => {
    const model = await load({});
    const prompt = tokensOf(50);
    const answer = (await model.run(greedy(prompt))).tokens.map(({ token }) => token);
    const next = greedy([...prompt, ...answer, ...tokensOf(20, 7)]);
    const run = await model.run(next);
    expect(cachedOf(run)).toBe(64); // 79 of 80 have been run
    expectEquivalent([run], [await cold.run(next)], ROUNDING);
  });

  it('starts from what still runs', async () => {
    const model = await load({});
    const first = model.run({ ...greedy(tokensOf(100)) });
    const second = { ...greedy([...tokensOf(100), 5]), delay: 12 };
    const run = await model.run(second);
    expect(cachedOf(run)).toBe(96);
    expectEquivalent(
      [await first, run],
      [await cold.run(greedy(tokensOf(100))), await cold.run(second)],
      ROUNDING,
    );
  });

  it('starts from nothing where the cache is switched off', async () => {
    const prompt = greedy(tokensOf(100));
    expect((await cold.runAll([prompt, prompt, { ...prompt, delay: 20 }])).map(cachedOf)).toEqual([0, 0, 0]);
    expect(cachedOf(await cold.run(prompt))).toBe(0);
  });

  it('starts from what there was room to keep', async () => {
    // 4 blocks: what the second one takes pushes the first one out
    const model = await load({ kvCacheMemory: 4 * BLOCK * 5 * 2 * 4 * 8 * 4 });
    const [one, other] = [greedy(tokensOf(90)), greedy(tokensOf(90, 1))];
    const runs = [await model.run(one), await model.run(other), await model.run(one), await model.run(one)];
    expect(runs.map(cachedOf)).toEqual([0, 0, 0, 64]);
    expectEquivalent(runs.slice(2), [await cold.run(one), await cold.run(one)], ROUNDING);
  });
});

describe('a system prompt that all share', () => {
  const system = 'The old king said that nobody may cross the river by night. '.repeat(12);
  const ask = (server: TestApp, question: string) =>
    post(`${server.url}/v1/completions`, {
      model: 'tales',
      prompt: `${system}${question}`,
      temperature: 0,
      max_tokens: 4,
      user: question,
    });
  const QUESTIONS = ['Who', 'Where is the fox', 'Then the youngest son', 'A bird', 'In the morning', 'Come'];
  interface RestUsage {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  }

  let servers: Record<'on' | 'off', TestApp>;
  beforeAll(async () => {
    const [on, off] = await Promise.all([
      startApp(testConfig([TALES])),
      startApp(testConfig([{ ...TALES, prefixCache: false }])),
    ]);
    servers = { on, off };
  });
  afterAll(async () => {
    for (const server of Object.values(servers)) await server.close();
  });

  const usagesOf = async (server: TestApp): Promise<RestUsage[]> => {
    const answers = await Promise.all(QUESTIONS.map((question) => ask(server, question)));
    return answers.map(({ body }) => body['usage'] as RestUsage);
  };

  it('is run once; the others are told how much of it they found', async () => {
    const first = (await ask(servers.on, 'First')).body['usage'] as RestUsage;
    expect(first.prompt_tokens_details.cached_tokens).toBe(0);
    const shared = Math.floor((first.prompt_tokens - 4) / BLOCK) * BLOCK;
    expect(shared).toBeGreaterThan(100);
    for (const { prompt_tokens, prompt_tokens_details } of await usagesOf(servers.on)) {
      expect(prompt_tokens_details.cached_tokens % BLOCK).toBe(0);
      expect(prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(shared);
      expect(prompt_tokens_details.cached_tokens).toBeLessThan(prompt_tokens);
    }
  });

  it('counts nothing with prefixCache: false', async () => {
    await ask(servers.off, 'First');
    const usages = await usagesOf(servers.off);
    expect(usages.map((usage) => usage.prompt_tokens_details.cached_tokens)).toEqual(QUESTIONS.map(() => 0));
  });
});
