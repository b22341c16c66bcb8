import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BatchLineError,
  LINE_LIMIT,
  parseBatchLine,
  type BatchLine,
} from '../../src/batch/batch-line.schema.js';
import type { RawLine } from '../../src/batch/read-lines.js';
import { thrown } from './helpers/thrown.js';

function lineOf(content: string | Buffer): RawLine {
  return { kind: 'line', bytes: Buffer.from(content) };
}

function parse(value: unknown): BatchLine {
  return parseBatchLine(lineOf(JSON.stringify(value)), 'default-model');
}

/** What is said about a line that can't be run. */
function refusal(line: RawLine): {
  customId: string | null;
  code: string;
  message: string;
  param?: string | undefined;
} {
  const { customId, reason } = thrown(BatchLineError, () => parseBatchLine(line, 'default-model'));
  return { customId, code: reason.code, message: reason.message, param: reason.param };
}

function refusalOf(value: unknown): ReturnType<typeof refusal> {
  return refusal(lineOf(JSON.stringify(value)));
}

/** What becomes of a line; an error that isn't about the line is thrown. */
function fateOf(line: RawLine): 'runs' | 'is refused' {
  try {
    parseBatchLine(line, 'default-model');
    return 'runs';
  } catch (error) {
    if (error instanceof BatchLineError) return 'is refused';
    throw error;
  }
}

describe('a line of a batch', () => {
  it('with a prompt is a completion', () => {
    const { customId, request } = parse({
      custom_id: 'a',
      prompt: 'Once',
      max_tokens: 5,
      seed: 1,
      stop: '.',
    });
    expect(customId).toBe('a');
    expect(request).toMatchObject({
      model: 'default-model',
      prompt: { kind: 'text', text: 'Once' },
      maxTokens: 5,
      seed: 1,
      stop: ['.'],
    });
  });

  it('with messages is a chat completion', () => {
    const messages = [{ role: 'user', content: 'Hi' }];
    const { request } = parse({ custom_id: 'a', messages, max_completion_tokens: 7 });
    expect(request).toMatchObject({ prompt: { kind: 'chat', messages }, maxTokens: 7 });
  });

  it('may have one prompt of tokens', () => {
    expect(parse({ custom_id: 'a', prompt: [1, 2] }).request.prompt).toEqual({
      kind: 'tokens',
      tokens: [1, 2],
    });
    expect(parse({ custom_id: 'a', prompt: [[1, 2]] }).request.prompt).toEqual({
      kind: 'tokens',
      tokens: [1, 2],
    });
  });

  it('may name its model', () => {
    expect(parse({ custom_id: 'a', prompt: 'Once', model: 'other' }).request.model).toBe('other');
  });

  it('may begin with a byte order mark and have spaces around', () => {
    const line = lineOf('\uFEFF {"custom_id": "a", "prompt": "Once"} ');
    expect(parseBatchLine(line, 'm')).toMatchObject({ customId: 'a' });
  });
});

describe('a line that cannot be run', () => {
  it.each([
    ['', 'The line is empty.'],
    ['  \t', 'The line is empty.'],
    ['{"custom_id": "a", ', 'The line is not valid JSON'],
    ['[1]', 'The line is not a JSON object.'],
    ['null', 'The line is not a JSON object.'],
    ['"text"', 'The line is not a JSON object.'],
  ])('is told what is wrong: %j', (content, message) => {
    const { customId, code, message: said } = refusal(lineOf(content));
    expect({ customId, code }).toEqual({ customId: null, code: 'invalid_json' });
    expect(said).toContain(message);
  });

  it('is told that it is not UTF-8', () => {
    const invalid = lineOf(Buffer.from('{"custom_id": "\xe9", "prompt": "a"}', 'latin1'));
    expect(refusal(invalid)).toMatchObject({ code: 'invalid_json', message: 'The line is not valid UTF-8.' });
  });

  it('is told the limit it is over', () => {
    const { code, message } = refusal({ kind: 'too_long' });
    expect(code).toBe('invalid_value');
    expect(message).toContain(String(LINE_LIMIT));
  });

  it('without a custom_id that is a text is told so', () => {
    expect(refusalOf({ prompt: 'Once' })).toMatchObject({
      customId: null,
      code: 'missing_required_parameter',
      param: 'custom_id',
    });
    expect(refusalOf({ custom_id: 3, prompt: 'Once' })).toMatchObject({ customId: null, param: 'custom_id' });
    expect(refusalOf({ custom_id: '', prompt: 'Once' })).toMatchObject({ customId: '', param: 'custom_id' });
  });

  it.each([
    [{}, 'missing_required_parameter', 'prompt'],
    [{ prompt: 3 }, 'invalid_value', 'prompt'],
    [{ prompt: 'Once', temperature: 3 }, 'invalid_value', 'temperature'],
    [{ prompt: 'Once', tempature: 1 }, 'unknown_parameter', 'tempature'],
    [{ prompt: 'Once', n: 2 }, 'unsupported_parameter', 'n'],
    [{ messages: [] }, 'invalid_value', 'messages'],
    [{ messages: [{ role: 'user' }] }, 'missing_required_parameter', 'messages[0].content'],
    [{ messages: [{ role: 'user', content: 'Hi' }], prompt: 'Once' }, 'unknown_parameter', 'prompt'],
  ])('keeps its custom_id, and is told the field at fault: %j', (fields, code, param) => {
    expect(refusalOf({ custom_id: 'line-7', ...fields })).toMatchObject({ customId: 'line-7', code, param });
  });

  it('with several prompts is told to be several lines', () => {
    const several = refusalOf({ custom_id: 'a', prompt: ['Once', 'Twice'] });
    expect(several).toMatchObject({ customId: 'a', code: 'invalid_value', param: 'prompt' });
    expect(several.message).toContain('one line per prompt');
  });

  it('is never anything but a BatchLineError, whatever is in it', () => {
    const fields = fc.dictionary(
      fc.constantFrom('custom_id', 'prompt', 'messages', 'model', 'stop', 'max_tokens', 'stream', 'x'),
      fc.jsonValue(),
    );
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.json(),
      fields.map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(content, (bytes) => {
        expect(['runs', 'is refused']).toContain(fateOf({ kind: 'line', bytes: Buffer.from(bytes) }));
      }),
      { numRuns: 1000 },
    );
  });
});
