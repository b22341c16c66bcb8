import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EngineDeadError, GraphqlApiModule, InvalidRequestError } from '../../src/index.js';
import { query, subscribe } from '../support/graphql.js';
import { failingAfter, INSTANCE, saying, startOverFake, type FakeApp } from '../support/fake-models.js';
import { until } from '../support/server.js';

let fake: FakeApp;
beforeAll(async () => {
  fake = await startOverFake(GraphqlApiModule.forRoot({ introspection: true }));
});
afterAll(() => fake.app.close());
beforeEach(() => {
  fake.models.requests.length = 0;
  fake.models.signals.length = 0;
  fake.models.script = () => saying('Hello', '', ' world');
});

const GENERATE = `query ($input: GenerateInput!) {
  generate(input: $input) { text finishReason instanceId usage { promptTokens cachedTokens completionTokens } }
}`;
const STREAM = `subscription ($input: GenerateInput!) {
  generate(input: $input) { text finishReason instanceId usage { promptTokens cachedTokens completionTokens } }
}`;
const generate = (input: object) => query(fake.url, GENERATE, { input });

interface Chunk {
  readonly generate: { readonly text: string; readonly finishReason: string | null };
}

describe('query generate', () => {
  it('answers the text with reason, instance and usage', async () => {
    expect((await generate({ model: 'tales', prompt: 'Once' })).body).toEqual({
      data: {
        generate: {
          text: 'Hello world',
          finishReason: 'length',
          instanceId: INSTANCE,
          usage: { promptTokens: 3, cachedTokens: 2, completionTokens: 3 },
        },
      },
    });
  });

  it('hands the input on in full', async () => {
    await generate({
      model: 'tales',
      prompt: 'Once',
      maxTokens: 7,
      temperature: 0.5,
      topP: 0.9,
      seed: 4_294_967_296_000,
      stop: ['x'],
    });
    expect(fake.models.requests).toEqual([
      {
        model: 'tales',
        prompt: { kind: 'text', text: 'Once' },
        maxTokens: 7,
        temperature: 0.5,
        topP: 0.9,
        seed: 4_294_967_296_000,
        stop: ['x'],
      },
    ]);
  });

  it('takes every sampling field; null leaves one out', async () => {
    const fields = {
      topK: 5,
      minP: 0.1,
      repetitionPenalty: 1.1,
      presencePenalty: 1,
      frequencyPenalty: -1,
      stopTokenIds: [3],
      minTokens: 2,
      ignoreEos: true,
    };
    await generate({ prompt: 'a', ...fields, logitBias: [{ token: 5, bias: -100 }], seed: null });
    const prompt = { kind: 'text', text: 'a' };
    expect(fake.models.requests).toEqual([{ prompt, ...fields, logitBias: new Map([[5, -100]]) }]);
  });

  it('refuses what REST refuses, with the same code and the field in its own spelling', async () => {
    expect((await generate({ prompt: 'a', maxTokens: 0 })).body).toMatchObject({
      errors: [{ extensions: { code: 'invalid_value', param: 'maxTokens' } }],
    });
    expect(fake.models.requests).toEqual([]);
  });

  it("gives the model's refusal its code", async () => {
    const error = new InvalidRequestError('context_length_exceeded', 'too long', { param: 'max_tokens' });
    fake.models.script = () => failingAfter(error);
    expect((await generate({ prompt: 'a' })).body).toMatchObject({
      errors: [{ message: 'too long', extensions: { code: 'context_length_exceeded', param: 'maxTokens' } }],
    });
  });

  it('does not show what is not meant for clients', async () => {
    fake.models.script = () => failingAfter(new Error('password=hunter2'));
    const { body } = await generate({ prompt: 'a' });
    expect(body).toMatchObject({ errors: [{ extensions: { code: 'internal_error' } }] });
    expect(JSON.stringify(body)).not.toMatch(/hunter2|stacktrace/);
  });
});

describe('subscription generate', () => {
  it('sends the pieces, and the reason and the usage with the last', async () => {
    const items = await subscribe<Chunk>(fake.url, STREAM, { input: { prompt: 'Once' } });
    expect(items.map(({ generate: chunk }) => chunk)).toEqual([
      { text: 'Hello', finishReason: null, instanceId: INSTANCE, usage: null },
      { text: ' world', finishReason: null, instanceId: INSTANCE, usage: null },
      {
        text: '',
        finishReason: 'length',
        instanceId: INSTANCE,
        usage: { promptTokens: 3, cachedTokens: 2, completionTokens: 3 },
      },
    ]);
  });

  it('tells a failure with its code', async () => {
    fake.models.script = () => failingAfter(new EngineDeadError('The engine died.'), 'Hello');
    await expect(subscribe<Chunk>(fake.url, STREAM, { input: { prompt: 'Once' } })).rejects.toMatchObject({
      message: 'The engine died.',
      extensions: { code: 'engine_restarted' },
    });
  });

  it('that is ended by the client ends the generation, also while it waits for a token', async () => {
    let ended = false;
    fake.models.script = () => ({
      [Symbol.asyncIterator]: () => {
        const events = saying('Hello')[Symbol.asyncIterator]();
        let left = 2; // start and the first token; then the model takes its time
        return {
          next: () => (left-- > 0 ? events.next() : new Promise(() => undefined)),
          return: async () => ((ended = true), { done: true, value: undefined }),
        };
      },
    });
    await subscribe<Chunk>(fake.url, STREAM, { input: { prompt: 'Once' } }, () => false);
    await until(async () => ended);
  });
});

describe('queries models and model', () => {
  const FIELDS = '{ name task state instanceId loadedAt loadMs loads active device dtype contextLength }';
  const TALES = {
    name: 'tales',
    task: 'text-generation',
    state: 'ready',
    instanceId: INSTANCE,
    loads: 1,
    active: 0,
    dtype: 'q8',
    contextLength: 1024,
  };

  it('describe what is resident', async () => {
    const { body } = await query(fake.url, `{ models ${FIELDS} model(name: "tales") ${FIELDS} }`);
    expect(body).toMatchObject({ data: { models: [TALES], model: TALES } });
  });

  it('give an unknown model its code', async () => {
    expect((await query(fake.url, `{ model(name: "x") { name } }`)).body).toMatchObject({
      errors: [{ extensions: { code: 'model_not_found', param: 'model' } }],
    });
  });
});
