import { AutoModelForCausalLM, AutoTokenizer, env, type Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelProvider, collect, type ModelRequest } from '../../src/index.js';
import { post, readSse, startApp, testConfig, type TestApp } from '../support/app.js';
import { TALES } from '../support/models.js';
import { until } from '../support/server.js';

let server: TestApp;
let models: ModelProvider;
beforeAll(async () => {
  server = await startApp();
  models = server.app.get(ModelProvider);
});
afterAll(() => server.close());

const text = (prompt: string, more: Partial<ModelRequest> = {}): ModelRequest => ({
  prompt: { kind: 'text', text: prompt },
  ...more,
});
const generate = (prompt: string, more: Partial<ModelRequest> = {}) =>
  collect(models.generate(text(prompt, more)));
const PROMPTS = [
  'Once upon a time',
  'The old king said',
  'In the middle of the forest there lived',
  '"Come," said the fox,',
];

describe('greedy text', () => {
  it("equals Transformers.js's own generate() where the graph is run as it is", async () => {
    const plain = await startApp(testConfig([{ ...TALES, kvCache: 'plain' }]));
    env.allowRemoteModels = false;
    const tokenizer = await AutoTokenizer.from_pretrained(TALES.source);
    const model = await AutoModelForCausalLM.from_pretrained(TALES.source, { dtype: 'q8', device: 'cpu' });
    for (const prompt of PROMPTS) {
      const inputs = tokenizer(prompt) as { input_ids: Tensor };
      const output = (await model.generate({ ...inputs, max_new_tokens: 120, do_sample: false })) as Tensor;
      const [tokens = []] = output.tolist() as bigint[][];
      const expected = tokenizer.decode(tokens.map(Number).slice(inputs.input_ids.dims[1]), {
        skip_special_tokens: true,
      });
      const request = text(prompt, { temperature: 0, maxTokens: 120 });
      expect((await collect(plain.app.get(ModelProvider).generate(request))).text).toBe(expected);
    }
    await model.dispose();
    await plain.close();
  });

  it('does not depend on what else runs', async () => {
    const alone = [];
    for (const prompt of PROMPTS)
      alone.push((await generate(prompt, { temperature: 0, maxTokens: 40 })).text);
    const together = await Promise.all(
      PROMPTS.map((prompt) => generate(prompt, { temperature: 0, maxTokens: 40 })),
    );
    expect(together.map((generation) => generation.text)).toEqual(alone);
  });

  it('is the same for a prompt of text and of its tokens', async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(TALES.source);
    const tokens = tokenizer.encode('Once upon a time');
    const fromTokens = await collect(
      models.generate({ prompt: { kind: 'tokens', tokens }, temperature: 0, maxTokens: 20 }),
    );
    expect(fromTokens.text).toBe(
      (await generate('Once upon a time', { temperature: 0, maxTokens: 20 })).text,
    );
  });
});

describe('sampled text', () => {
  const sampled = { temperature: 1, topP: 0.9, maxTokens: 30 };

  it('is the same for the same seed, whatever else runs', async () => {
    const alone = await generate('Once', { ...sampled, seed: 11 });
    const [again, ...others] = await Promise.all(
      [11, 12, 13, 14].map((seed) => generate('Once', { ...sampled, seed })),
    );
    expect(again?.text).toBe(alone.text);
    expect(new Set([alone.text, ...others.map((other) => other.text)]).size).toBe(4);
  });

  it('differs from call to call without a seed', async () => {
    const texts = await Promise.all([1, 2, 3].map(() => generate('Once', sampled)));
    expect(new Set(texts.map((generation) => generation.text)).size).toBe(3);
  });
});

describe('the end of a text', () => {
  it('is before the first stop string, streamed or not', async () => {
    const whole = (await generate('Once upon a time', { temperature: 0, maxTokens: 60 })).text;
    const stop = whole.slice(20, 26);
    const body = {
      model: 'tales',
      prompt: 'Once upon a time',
      temperature: 0,
      max_tokens: 60,
      stop: [stop, 'never seen'],
    };
    const expected = { text: whole.slice(0, whole.indexOf(stop)), finish_reason: 'stop' };
    expect((await post(`${server.url}/v1/completions`, body)).body).toMatchObject({ choices: [expected] });
    const response = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, stream: true }),
    });
    const frames = (await readSse(response)).slice(0, -1);
    const choices = frames.map(
      (frame) =>
        (JSON.parse(frame) as { choices: [{ text: string; finish_reason: string | null }] }).choices[0],
    );
    expect(choices.map((choice) => choice.text).join('')).toBe(expected.text);
    expect(choices.at(-1)?.finish_reason).toBe('stop');
  });

  it('is at max_tokens, counted in usage', async () => {
    const { finishReason, usage } = await generate('Once upon a time', { temperature: 0, maxTokens: 7 });
    expect({ finishReason, usage }).toEqual({
      finishReason: 'length',
      usage: { promptTokens: 5, cachedTokens: 0, completionTokens: 7 },
    });
  });

  it('by default is where the model says or its max_new_tokens is reached', async () => {
    const { usage } = await generate('Once upon a time', { temperature: 0 });
    expect(usage.completionTokens).toBeLessThanOrEqual(128);
    expect(usage.completionTokens).toBeGreaterThan(16);
  });
});

describe('prompts', () => {
  it('go through the chat template as messages', async () => {
    const messages = [{ role: 'user', content: 'The old king said' }];
    const { body } = await post(`${server.url}/v1/chat/completions`, {
      model: 'tales',
      messages,
      temperature: 0,
      max_tokens: 20,
    });
    const plain = await generate('The old king said\n', { temperature: 0, maxTokens: 20 });
    expect(body['choices']).toMatchObject([{ message: { role: 'assistant', content: plain.text } }]);
  });

  it('that are empty begin with the token that begins a text', async () => {
    expect((await generate('', { temperature: 0, maxTokens: 3 })).usage).toEqual({
      promptTokens: 1,
      cachedTokens: 0,
      completionTokens: 3,
    });
  });

  it('that fill the context leave room for what was asked, or are refused with the numbers', async () => {
    const long = 'king '.repeat(1000);
    expect(
      await post(`${server.url}/v1/completions`, { model: 'tales', prompt: long, max_tokens: 100 }),
    ).toMatchObject({
      status: 400,
      body: {
        error: {
          code: 'context_length_exceeded',
          param: 'max_tokens',
          message: expect.stringMatching(/1024.*100 in the completion/) as string,
        },
      },
    });
    const tooLong = 'king '.repeat(3000);
    expect(await post(`${server.url}/v1/completions`, { model: 'tales', prompt: tooLong })).toMatchObject({
      status: 400,
      body: { error: { code: 'context_length_exceeded', param: 'prompt' } },
    });
    const { usage } = await generate(long, { temperature: 0, maxTokens: 1024 - 1001 });
    expect(usage.promptTokens).toBeGreaterThan(1000);
  });

  it('of tokens that the model does not have are refused', async () => {
    expect(await post(`${server.url}/v1/completions`, { model: 'tales', prompt: [5, 4096] })).toMatchObject({
      status: 400,
      body: {
        error: { code: 'invalid_value', param: 'prompt', message: expect.stringContaining('4095') as string },
      },
    });
  });
});

describe('a client that goes away', () => {
  it.each([true, false])('frees its work, and those who wait go on (stream: %s)', async (stream) => {
    const client = new AbortController();
    const body = { model: 'tales', prompt: 'Once', temperature: 0, max_tokens: 1000, stream };
    const leaving = fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: client.signal,
    });
    leaving.catch(() => undefined);
    await until(async () => models.describe().active === 1);
    const waiting = generate('The old king said', { temperature: 0, maxTokens: 5 });
    const alsoLeaving = models.generate(text('Never', { maxTokens: 1000 }), { signal: client.signal });
    client.abort();
    await expect(collect(alsoLeaving)).rejects.toMatchObject({ code: 'cancelled' });
    expect((await waiting).usage.completionTokens).toBe(5);
    await until(async () => models.describe().active === 0);
  });

  it('in the middle of a loop is one that breaks out of it', async () => {
    for await (const event of models.generate(text('Once', { maxTokens: 1000 }))) {
      if (event.type === 'token') break;
    }
    expect(models.describe().active).toBe(0);
  });
});
