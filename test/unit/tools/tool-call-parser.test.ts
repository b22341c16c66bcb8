import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatOf } from '../../../src/engine/tools/tool-format.js';
import { ToolCallParser, type ToolEvent } from '../../../src/engine/tools/tool-call-parser.js';
import { TOOL_FORMATS, type ToolFormat } from '../../../src/engine/types.js';

interface Read {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly args: string }[];
}

function read(format: ToolFormat, parts: readonly string[], most = Infinity): Read {
  const parser = new ToolCallParser({ format, names: ['weather', 'time'], most });
  const events: ToolEvent[] = [...parts.flatMap((part) => parser.push(part)), ...parser.finish()];
  const calls: { name: string; args: string }[] = [];
  let text = '';
  for (const event of events) {
    if (event.type === 'text') text += event.text;
    else if (event.type === 'call') calls.push({ name: event.name, args: '' });
    else calls.at(-1)!.args += event.text;
  }
  return { text, calls };
}

const rome = { name: 'weather', args: '{"city": "Rome \\"}"}' };
const now = { name: 'time', args: '{}' };

describe('tool calls are read', () => {
  it.each<[ToolFormat, string, Read]>([
    ['hermes', 'Just text.', { text: 'Just text.', calls: [] }],
    [
      'hermes',
      `Let me see. <tool_call>\n{"name": "weather", "arguments": ${rome.args}}\n</tool_call>`,
      { text: 'Let me see. ', calls: [rome] },
    ],
    [
      'hermes',
      `<tool_call>{"name":"weather","arguments":${rome.args}}</tool_call>\n<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>\n`,
      { text: '', calls: [rome, now] },
    ],
    [
      'hermes',
      '<tool_call>{"arguments": {"a": 1}, "name": "time"}</tool_call>',
      { text: '', calls: [{ name: 'time', args: '{"a":1}' }] },
    ],
    [
      'hermes',
      '<tool_call>{"name": "time", "arguments": "{}"}</tool_call> Done.',
      { text: 'Done.', calls: [now] },
    ],
    [
      'hermes',
      '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>',
      { text: '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>', calls: [] },
    ],
    ['hermes', '<tool_call>nonsense</tool_call>', { text: '<tool_call>nonsense</tool_call>', calls: [] }],
    ['hermes', '<tool_call>{"name": "ti', { text: '<tool_call>{"name": "ti', calls: [] }],
    [
      'hermes',
      '<tool_call>{"name": "time", "arguments": {"a": [1',
      { text: '', calls: [{ name: 'time', args: '{"a": [1' }] },
    ],
    ['hermes', 'a <tool_ca', { text: 'a <tool_ca', calls: [] }],
    [
      'mistral',
      `[TOOL_CALLS] [{"name": "weather", "arguments": ${rome.args}}, {"name": "time", "arguments": {}}]`,
      { text: '', calls: [rome, now] },
    ],
    [
      'mistral',
      `[TOOL_CALLS][{"name": "time", "arguments": {}, "id": "123456789"}]`,
      { text: '', calls: [now] },
    ],
    ['mistral', '[TOOL_CALLS] none', { text: '[TOOL_CALLS] none', calls: [] }],
    ['llama', `{"name": "weather", "parameters": ${rome.args}}`, { text: '', calls: [rome] }],
    [
      'llama',
      `<|python_tag|>{"name": "time", "parameters": {}}; {"name": "weather", "parameters": ${rome.args}}`,
      { text: '', calls: [now, rome] },
    ],
    ['llama', '{"answer": 42} is it', { text: '{"answer": 42} is it', calls: [] }],
    [
      'llama',
      'It is {"name": "time", "parameters": {}}',
      { text: 'It is {"name": "time", "parameters": {}}', calls: [] },
    ],
  ])('%s: %s', (format, text, expected) => {
    expect(read(format, [text])).toEqual(expected);
    expect(read(format, Array.from(text))).toEqual(expected);
  });

  it('at most as many as are wanted', () => {
    const two =
      '<tool_call>{"name":"time","arguments":{}}</tool_call><tool_call>{"name":"weather","arguments":{}}</tool_call>';
    expect(read('hermes', [two], 1)).toEqual({ text: '', calls: [now] });
  });

  it('the same however the text is cut', () => {
    const bits = fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '[TOOL_CALLS]',
      '<|python_tag|>',
      '{"name": "time", "arguments": ',
      '{"a": "}"}',
      '{',
      '}',
      '"',
      '\\',
      '[',
      ']',
      ',',
      '; ',
      ' ',
      '\n',
      'text',
      '{"name":"weather","parameters":{}}',
      '"name"',
      '<tool',
      '{"arguments":{},"name":"time"}',
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...TOOL_FORMATS),
        fc.array(bits, { maxLength: 14 }),
        fc.array(fc.nat(60)),
        (format, parts, cuts) => {
          const text = parts.join('');
          const places = [...new Set(cuts.filter((cut) => cut < text.length))].toSorted((a, b) => a - b);
          const pieces = [0, ...places].map((from, i) => text.slice(from, places[i] ?? text.length));
          expect(read(format, pieces)).toEqual(read(format, [text]));
          expect(read(format, Array.from(text))).toEqual(read(format, [text]));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('in time that grows with the text only: else this does not end', () => {
    const parts = Array.from({ length: 50_000 }, () => '{"a": 1, "b":');
    for (const format of TOOL_FORMATS)
      expect(read(format, parts)).toEqual({ text: parts.join(''), calls: [] });
  });
});

describe('the format of calls', () => {
  it.each([
    ['{{ messages }}', undefined],
    ['{% if tools %}<tools>...</tools> <tool_call>{"name": ...}</tool_call>{% endif %}', 'hermes'],
    ['{% if tools %}<tool_call>\n<function=example>{% endif %}', undefined],
    ['{% if tools is not none %}[AVAILABLE_TOOLS]{% endif %}[TOOL_CALLS]', 'mistral'],
    ['{% if tools %}[TOOL_CALLS]{{ name }}[ARGS]{% endif %}', undefined],
    [
      `{%- if tools %}{"name": function name, "parameters": dictionary}{{ '"parameters": ' }}{% endif %}`,
      'llama',
    ],
    ['{% if tools %}{{ tools | tojson }}{% endif %}', undefined],
  ])('of the template %j is %s', (template, format) => {
    expect(formatOf(template)).toBe(format);
  });
});
