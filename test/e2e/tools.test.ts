import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { post, startApp, testConfig, type TestApp } from '../support/app.js';
import { TALES } from '../support/models.js';

/** Templates that have of tools what tells a format, and show that the messages came through. */
const TEMPLATES = {
  hermes:
    '{% if tools %}Tools: {{ tools | tojson }} Call them as <tool_call>{"name": ..., "arguments": ...}</tool_call>\n{% endif %}',
  mistral: '{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS][TOOL_CALLS]{% endif %}',
  llama:
    '{% if tools %}{{ tools | tojson }} Answer with {"name": name, "parameters": arguments}.\n{% endif %}',
} as const;
const MESSAGES =
  "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}" +
  '{% if message.tool_calls %}{% for call in message.tool_calls %}{{ call.function.name }} ' +
  '{{ call.function.arguments | tojson }}{% endfor %}{% endif %}\n{% endfor %}';

let server: TestApp;
const folders: string[] = [];
/** The embedded model with another chat template. */
function withTemplate(name: string, template: string) {
  const folder = mkdtempSync(join(tmpdir(), 'resident-tools-'));
  folders.push(folder);
  cpSync(TALES.source, folder, { recursive: true });
  const file = join(folder, 'tokenizer_config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, chat_template: template }));
  return { ...TALES, name, source: folder, kvCacheMemory: 64 * 2 ** 20 };
}

beforeAll(async () => {
  const models = Object.entries(TEMPLATES).map(([name, template]) => withTemplate(name, template + MESSAGES));
  server = await startApp(testConfig([...models, { ...TALES, kvCacheMemory: 64 * 2 ** 20 }]));
});
afterAll(async () => {
  await server.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const parameters = {
  type: 'object',
  properties: { city: { type: 'string', maxLength: 10 }, days: { type: 'integer', minimum: 1, maximum: 14 } },
  required: ['city', 'days'],
  additionalProperties: false,
} as const;
const tools = [
  { type: 'function' as const, function: { name: 'weather', description: 'The weather.', parameters } },
  { type: 'function' as const, function: { name: 'time', parameters: { type: 'object', properties: {} } } },
];
const messages = [{ role: 'user' as const, content: 'How is the weather in Rome?' }];
const client = (): OpenAI => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' });
const validator = z.fromJSONSchema(parameters as unknown as z.core.JSONSchema.JSONSchema);

describe.each(Object.keys(TEMPLATES))('tools of a model that writes calls as %s', (model) => {
  it('are called when a call is required', async () => {
    const requests = Array.from({ length: 5 }, (_, seed) =>
      client().chat.completions.create({
        model,
        messages,
        tools,
        seed,
        temperature: 1,
        tool_choice: 'required',
        parallel_tool_calls: false,
        max_tokens: 120,
      }),
    );
    for (const answer of await Promise.all(requests)) {
      const [choice] = answer.choices;
      expect(choice?.finish_reason).toBe('tool_calls');
      expect(choice?.message.content).toBeNull();
      expect(choice?.message.tool_calls).toHaveLength(1);
      const [call] = choice?.message.tool_calls ?? [];
      if (call?.type !== 'function') throw new Error('not a function');
      expect(['weather', 'time']).toContain(call.function.name);
      const args = JSON.parse(call.function.arguments) as object;
      expect((call.function.name === 'time' ? z.strictObject({}) : validator).parse(args)).toEqual(args);
    }
  });

  it('stream the same call that they answer at once, name first', async () => {
    const request = {
      model,
      messages,
      tools,
      seed: 3,
      temperature: 1,
      max_tokens: 120,
      tool_choice: { type: 'function', function: { name: 'weather' } },
    } as const;
    const whole = await client().chat.completions.create(request);
    const stream = client().chat.completions.stream(request);
    const deltas: OpenAI.ChatCompletionChunk.Choice.Delta.ToolCall[] = [];
    stream.on('chunk', ({ choices }) => void deltas.push(...(choices[0]?.delta.tool_calls ?? [])));
    const streamed = await stream.finalChatCompletion();
    const functionOf = (answer: OpenAI.ChatCompletion) =>
      answer.choices[0]?.message.tool_calls?.map(
        (call) => call.type === 'function' && [call.function.name, call.function.arguments],
      );
    expect(functionOf(streamed)).toEqual(functionOf(whole));
    expect(streamed.choices[0]?.finish_reason).toBe('tool_calls');
    expect(deltas[0]).toMatchObject({
      index: 0,
      type: 'function',
      function: { name: 'weather', arguments: '' },
    });
    expect(deltas.length).toBeGreaterThan(3);
  });

  it('go through a whole conversation', async () => {
    const answer = await post(`${server.url}/v1/chat/completions`, {
      model,
      tools,
      max_tokens: 5,
      messages: [
        ...messages,
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: 'call00001',
              type: 'function',
              function: { name: 'weather', arguments: '{"city":"Rome"}' },
            },
          ],
        },
        { role: 'tool', tool_call_id: 'call00001', content: 'Sunny' },
      ],
    });
    expect(answer.status).toBe(200);
  });

  it('are not called when that is the choice', async () => {
    const answer = await client().chat.completions.create({
      model,
      messages,
      tools,
      max_tokens: 5,
      tool_choice: 'none',
    });
    expect(answer.choices[0]?.message.tool_calls).toBeUndefined();
    expect(typeof answer.choices[0]?.message.content).toBe('string');
  });
});

it('a model whose chat template has no tools refuses them by name', async () => {
  const { status, body } = await post(`${server.url}/v1/chat/completions`, {
    model: 'tales',
    messages,
    tools,
  });
  expect(status).toBe(400);
  expect(body['error']).toMatchObject({ code: 'unsupported_parameter', param: 'tools' });
});

it('a schema of arguments that cannot be enforced is refused', async () => {
  const odd = {
    type: 'function',
    function: { name: 'odd', parameters: { type: 'object', minProperties: 3 } },
  };
  const { status, body } = await post(`${server.url}/v1/chat/completions`, {
    model: 'hermes',
    messages,
    tools: [odd],
    tool_choice: 'required',
  });
  expect(status).toBe(400);
  expect(body['error']).toMatchObject({ code: 'invalid_value', param: 'tools' });
});
