import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InboxTask } from '../../src/index.js';
import { post, readSse, startApp, testConfig, type TestApp } from '../support/app.js';
import { query, subscribe } from '../support/graphql.js';
import { GOLDEN, GOLDEN_SKIP } from '../support/models.js';

const NEW_TOKENS = 180;

describe.skipIf(!GOLDEN)(`golden greedy texts, token for token (${GOLDEN_SKIP})`, () => {
  const { model, rows } = GOLDEN ?? { model: undefined, rows: [] };
  let server: TestApp;

  beforeAll(async () => {
    server = await startApp(testConfig(model && [model]));
  });
  afterAll(() => server.close());

  const completions = () =>
    rows.map(({ prompt, prompt_tokens, text }) => ({
      prompt,
      prompt_tokens,
      completion: text.slice(prompt.length),
    }));

  it('come from REST', async () => {
    for (const { prompt, prompt_tokens, completion } of completions()) {
      const { body } = await post(`${server.url}/v1/completions`, {
        model: 'stories',
        prompt,
        temperature: 0,
        max_tokens: NEW_TOKENS,
      });
      expect(body).toMatchObject({
        choices: [{ text: completion, finish_reason: 'length' }],
        usage: { prompt_tokens, completion_tokens: NEW_TOKENS },
      });
    }
  });

  it('come from REST as a stream', async () => {
    for (const { prompt, completion } of completions()) {
      const response = await fetch(`${server.url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'stories',
          prompt,
          temperature: 0,
          max_tokens: NEW_TOKENS,
          stream: true,
        }),
      });
      const frames = await readSse(response);
      expect(frames.at(-1)).toBe('[DONE]');
      const texts = frames
        .slice(0, -1)
        .map((frame) => (JSON.parse(frame) as { choices: [{ text: string }] }).choices[0].text);
      expect(texts.join('')).toBe(completion);
    }
  });

  it('come from REST when all prompts are sent at once', async () => {
    const { body } = await post(`${server.url}/v1/completions`, {
      model: 'stories',
      prompt: rows.map(({ prompt }) => prompt),
      temperature: 0,
      max_tokens: NEW_TOKENS,
    });
    expect((body['choices'] as { text: string }[]).map(({ text }) => text)).toEqual(
      completions().map(({ completion }) => completion),
    );
  });

  it.each([0, 1, 2])('come from REST with 16 in flight, in whatever order they came (%i)', async (first) => {
    const asked = Array.from(
      { length: 16 },
      (_, i) => completions()[(first + i * (first + 1)) % rows.length],
    );
    const answers = await Promise.all(
      asked.map((row) =>
        post(`${server.url}/v1/completions`, {
          model: 'stories',
          prompt: row?.prompt,
          temperature: 0,
          max_tokens: NEW_TOKENS,
        }),
      ),
    );
    expect(answers.map(({ body }) => (body['choices'] as { text: string }[])[0]?.text)).toEqual(
      asked.map((row) => row?.completion),
    );
  });

  it('come from REST while others come, sample and go away', async () => {
    const leaving = new AbortController();
    const others = Array.from({ length: 12 }, (_, i) =>
      fetch(`${server.url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'stories',
          prompt: `Other ${i}`,
          max_tokens: 20 + 30 * i,
          stream: true,
        }),
        signal: leaving.signal,
      })
        .then((response) => response.text())
        .catch(() => 'gone'),
    );
    const [first, ...rest] = completions().map(async ({ prompt, completion }) => {
      const { body } = await post(`${server.url}/v1/completions`, {
        model: 'stories',
        prompt,
        temperature: 0,
        max_tokens: NEW_TOKENS,
      });
      expect(body).toMatchObject({ choices: [{ text: completion }] });
    });
    await others[0];
    leaving.abort();
    await Promise.all([first, ...rest]);
    expect(await Promise.all(others)).toContain('gone');
  });

  it('come from GraphQL', async () => {
    for (const { prompt, completion } of completions()) {
      const input = { model: 'stories', prompt, temperature: 0, maxTokens: NEW_TOKENS };
      const { body } = await query(
        server.url,
        'query ($input: GenerateInput!) { generate(input: $input) { text finishReason usage { completionTokens } } }',
        { input },
      );
      expect(body).toEqual({
        data: {
          generate: { text: completion, finishReason: 'length', usage: { completionTokens: NEW_TOKENS } },
        },
      });
    }
  });

  it('come from a GraphQL subscription', async () => {
    for (const { prompt, completion } of completions()) {
      const items = await subscribe<{ generate: { text: string } }>(
        server.url,
        'subscription ($input: GenerateInput!) { generate(input: $input) { text } }',
        { input: { prompt, temperature: 0, maxTokens: NEW_TOKENS } },
      );
      expect(items.map(({ generate }) => generate.text).join('')).toBe(completion);
    }
  });

  it('come from the batch task', async () => {
    const { inbox, outbox } = server.config.batch;
    mkdirSync(inbox, { recursive: true });
    const lines = rows.map(({ prompt }, i) =>
      JSON.stringify({ custom_id: `row-${i}`, prompt, temperature: 0, max_tokens: NEW_TOKENS }),
    );
    writeFileSync(join(inbox, 'golden.jsonl'), lines.join('\n'));
    await server.app.get(InboxTask).runFile(join(inbox, 'golden.jsonl'));
    const results = readFileSync(join(outbox, 'golden.results.jsonl'), 'utf8').trim().split('\n');
    expect(results.map((line) => JSON.parse(line) as unknown)).toMatchObject(
      completions().map(({ completion }, i) => ({
        custom_id: `row-${i}`,
        line: i + 1,
        text: completion,
        finish_reason: 'length',
        error: null,
      })),
    );
  });
});
