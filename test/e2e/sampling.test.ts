import { AutoTokenizer, env } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelProvider } from '../../src/index.js';
import { post, startApp, type TestApp } from '../support/app.js';
import { TALES } from '../support/models.js';

let server: TestApp;
let models: ModelProvider;
let encode: (text: string) => number[];
beforeAll(async () => {
  server = await startApp();
  models = server.app.get(ModelProvider);
  env.allowRemoteModels = false;
  const tokenizer = await AutoTokenizer.from_pretrained(TALES.source);
  encode = (text) => tokenizer.encode(text);
});
afterAll(() => server.close());

interface Completion {
  readonly choices: readonly {
    readonly text: string;
    readonly finish_reason: string;
    readonly logprobs: {
      readonly tokens: string[];
      readonly token_logprobs: number[];
      readonly top_logprobs: Record<string, number>[];
    };
  }[];
}

const complete = async (body: object): Promise<Completion> => {
  const answer = await post(`${server.url}/v1/completions`, {
    model: 'tales',
    prompt: 'Once upon a time',
    ...body,
  });
  expect(answer.status).toBe(200);
  return answer.body as unknown as Completion;
};
const textOf = async (body: object): Promise<string> => (await complete(body)).choices[0]?.text ?? '';

describe('over the real model', () => {
  it('top_k 1 is greedy at any temperature', async () => {
    const greedy = await textOf({ temperature: 0, max_tokens: 30 });
    expect(await textOf({ temperature: 2, top_k: 1, max_tokens: 30 })).toBe(greedy);
    expect(await textOf({ temperature: 2, min_p: 1, max_tokens: 30 })).toBe(greedy);
  });

  it('a bias of 100 forces a token, one of -100 bans it', async () => {
    const [king = 0] = encode(' king');
    expect(await textOf({ temperature: 1, logit_bias: { [king]: 100 }, max_tokens: 4 })).toBe(
      ' king king king king',
    );
    const [comma = 0] = encode(',');
    expect(encode(await textOf({ temperature: 0, max_tokens: 40 }))).toContain(comma);
    expect(
      encode(await textOf({ temperature: 0, logit_bias: { [comma]: -100 }, max_tokens: 40 })),
    ).not.toContain(comma);
  });

  it('penalties keep a greedy text from repeating itself', async () => {
    const distinct = (text: string): number => new Set(encode(text)).size;
    const plain = distinct(await textOf({ temperature: 0, max_tokens: 200 }));
    for (const penalty of [{ frequency_penalty: 1 }, { presence_penalty: 1 }, { repetition_penalty: 1.3 }]) {
      expect(distinct(await textOf({ temperature: 0, max_tokens: 200, ...penalty }))).toBeGreaterThan(plain);
    }
  });

  it('n choices are what n requests with seeds in a row give', async () => {
    const { choices } = await complete({ seed: 7, n: 3, max_tokens: 20, temperature: 1 });
    const alone = await Promise.all(
      [7, 8, 9].map((seed) => textOf({ seed, max_tokens: 20, temperature: 1 })),
    );
    expect(choices.map(({ text }) => text)).toEqual(alone);
    expect(new Set(alone).size).toBe(3);
  });

  it('log-probabilities are those of the chosen tokens, the greedy one being the best', async () => {
    const { choices } = await complete({ temperature: 0, max_tokens: 12, logprobs: 3 });
    const [choice] = choices;
    expect(choice?.logprobs.tokens.join('')).toBe(choice?.text);
    for (const [i, logprob] of (choice?.logprobs.token_logprobs ?? []).entries()) {
      const top = Object.values(choice?.logprobs.top_logprobs[i] ?? {});
      expect(logprob).toBeLessThanOrEqual(0);
      expect(Math.max(...top)).toBeCloseTo(logprob, 10);
    }
  });

  it('a stop token ends the text before it; the end of a sequence can be ignored', async () => {
    const greedy = await textOf({ temperature: 0, max_tokens: 30 });
    const [stop = 0] = encode(' ghost');
    const { choices } = await complete({ temperature: 0, max_tokens: 30, stop_token_ids: [stop] });
    expect(choices[0]).toMatchObject({
      text: greedy.slice(0, greedy.indexOf(' ghost')),
      finish_reason: 'stop',
    });

    const end = { temperature: 0, max_tokens: 5, logit_bias: { 0: 100 } };
    expect((await complete(end)).choices[0]).toMatchObject({ text: '', finish_reason: 'stop' });
    expect((await complete({ ...end, ignore_eos: true })).choices[0]).toMatchObject({
      text: '',
      finish_reason: 'length',
    });
    expect((await complete({ ...end, min_tokens: 3 })).choices[0]?.text.length).toBeGreaterThan(0);
  });

  it('echo gives the prompt back, of text and of tokens', async () => {
    const prompt = 'Once upon a time';
    const plain = await textOf({ temperature: 0, max_tokens: 5 });
    expect(await textOf({ temperature: 0, max_tokens: 5, echo: true })).toBe(prompt + plain);
    expect(await textOf({ prompt: encode(prompt), temperature: 0, max_tokens: 5, echo: true })).toBe(
      prompt + plain,
    );
  });

  it('a token that the model does not have is refused', async () => {
    for (const [field, value] of [
      ['logit_bias', { 4096: 1 }],
      ['stop_token_ids', [4096]],
    ] as const) {
      const answer = await post(`${server.url}/v1/completions`, {
        model: 'tales',
        prompt: 'a',
        [field]: value,
      });
      expect(answer).toMatchObject({ status: 400, body: { error: { code: 'invalid_value', param: field } } });
    }
    expect(models.describe().active).toBe(0);
  });
});
