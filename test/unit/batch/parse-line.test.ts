import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LineFormat } from '../../../src/batch/batch-types.js';
import { toCall } from '../../../src/batch/lines/line-call.js';
import { parseLine } from '../../../src/batch/lines/parse-line.js';
import { InvalidRequestError } from '../../../src/engine/errors.js';
import { thrown } from '../helpers/thrown.js';
import { ScriptedModels } from './helpers/scripted-models.js';

const ENDPOINT = '/v1/completions';
const models = new ScriptedModels().asProvider();

function parse(content: string | Buffer, format: LineFormat = 'flat') {
  const bytes = Buffer.from(content);
  return parseLine(
    { kind: 'line', bytes, length: bytes.length },
    { format, endpoint: ENDPOINT, maxLineBytes: 99 },
  );
}

function parseValue(value: unknown, format: LineFormat = 'flat') {
  return parse(JSON.stringify(value), format);
}

/** The field and the code that a flat line is refused with when it is to be run. */
function refusalOf(body: Record<string, unknown>) {
  const call = () => toCall({ customId: 'a', body }, { endpoint: ENDPOINT, lineFormat: 'flat' }, models);
  const { code, param, message } = thrown(InvalidRequestError, call);
  return { code, param, message };
}

describe('a line', () => {
  it.each([
    ['{"custom_id": "a", ', 'The line is not valid JSON'],
    ['[1]', 'The line is not a JSON object.'],
    ['null', 'The line is not a JSON object.'],
    ['"text"', 'The line is not a JSON object.'],
    [
      Buffer.from('{"custom_id": "\\xe9"}'.replace('\\xe9', '\u00e9'), 'latin1'),
      'The line is not valid UTF-8.',
    ],
  ])('that is no JSON object is told so: %j', (content, message) => {
    for (const format of ['flat', 'openai'] as const)
      expect(parse(content, format)).toMatchObject({
        ok: false,
        customId: null,
        problem: { code: 'invalid_json', message: expect.stringContaining(message) as string },
      });
  });

  it('that is empty, or too long, is told so', () => {
    const about = { format: 'openai', endpoint: ENDPOINT, maxLineBytes: 99 } as const;
    expect(parseLine({ kind: 'blank', length: 1 }, about)).toMatchObject({
      problem: { code: 'invalid_json', message: 'The line is empty.' },
    });
    expect(parseLine({ kind: 'too_long', length: 100 }, about)).toMatchObject({
      problem: { code: 'line_too_long', message: 'The line is longer than 99 bytes.' },
    });
  });

  it('has an id that is a text', () => {
    const problem = (value: object) => parseValue({ ...value, prompt: 'Once' });
    expect(problem({})).toMatchObject({
      problem: { code: 'missing_required_parameter', param: 'custom_id' },
    });
    expect(problem({ custom_id: 3 })).toMatchObject({
      problem: { code: 'invalid_value', param: 'custom_id' },
    });
    expect(problem({ custom_id: '' })).toMatchObject({
      problem: { code: 'invalid_value', param: 'custom_id' },
    });
  });
});

describe("a line of OpenAI's format", () => {
  const good = { custom_id: 'a', method: 'POST', url: ENDPOINT, body: { prompt: 'Once' } };

  it('is its body', () => {
    expect(parseValue(good, 'openai')).toEqual({ ok: true, customId: 'a', body: { prompt: 'Once' } });
  });

  it.each([
    [{ method: undefined }, 'missing_required_parameter', 'method'],
    [{ url: undefined }, 'missing_required_parameter', 'url'],
    [{ body: undefined }, 'missing_required_parameter', 'body'],
    [{ method: 'GET' }, 'invalid_value', 'method'],
    [{ url: '/v1/embeddings' }, 'mismatched_url', 'url'],
    [{ url: 3 }, 'mismatched_url', 'url'],
    [{ body: [] }, 'invalid_value', 'body'],
    [{ prompt: 'Once' }, 'unknown_parameter', 'prompt'],
  ])('keeps its id and is told what is wrong: %j', (change, code, param) => {
    expect(parseValue({ ...good, ...change }, 'openai')).toMatchObject({
      ok: false,
      customId: 'a',
      problem: { code, param },
    });
  });
});

describe('a flat line', () => {
  it('is what stands beside its id', () => {
    expect(parseValue({ custom_id: 'a', prompt: 'Once', max_tokens: 5 })).toEqual({
      ok: true,
      customId: 'a',
      body: { prompt: 'Once', max_tokens: 5 },
    });
  });

  it('may leave out its model', () => {
    const { model } = toCall(
      { customId: 'a', body: { prompt: 'Once' } },
      { endpoint: ENDPOINT, lineFormat: 'flat' },
      models,
    );
    expect(model).toBe('fake');
  });

  it.each([
    [{}, 'missing_required_parameter', 'prompt'],
    [{ prompt: 3 }, 'invalid_value', 'prompt'],
    [{ prompt: 'Once', temperature: 3 }, 'invalid_value', 'temperature'],
    [{ prompt: 'Once', tempature: 1 }, 'unknown_parameter', 'tempature'],
    [{ prompt: 'Once', n: 2 }, 'unsupported_parameter', 'n'],
    [{ prompt: 'Once', logprobs: 2 }, 'unsupported_parameter', 'logprobs'],
    [{ prompt: 'Once', echo: true }, 'unsupported_parameter', 'echo'],
    [{ prompt: 'Once', stream: true }, 'invalid_value', 'stream'],
    [{ messages: [] }, 'invalid_value', 'messages'],
    [{ messages: [{ role: 'user' }] }, 'missing_required_parameter', 'messages[0].content'],
    [{ messages: [{ role: 'user', content: 'Hi' }], prompt: 'Once' }, 'unknown_parameter', 'prompt'],
  ])('is told the field at fault: %j', (body, code, param) => {
    expect(refusalOf(body)).toMatchObject({ code, param });
  });

  it('with several prompts is told to be several lines', () => {
    expect(refusalOf({ prompt: ['Once', 'Twice'] })).toMatchObject({
      code: 'invalid_value',
      param: 'prompt',
      message: 'A line has one prompt; write one line per prompt.',
    });
  });

  it.each([{ prompt: [1, 2] }, { prompt: [[1, 2]] }, { prompt: ['Once'] }])(
    'may have one prompt: %j',
    (body) => {
      expect(() =>
        toCall({ customId: 'a', body }, { endpoint: ENDPOINT, lineFormat: 'flat' }, models),
      ).not.toThrow();
    },
  );
});

/** What becomes of a line; an error that isn't about the line is thrown. */
function fateOf(content: Buffer, format: LineFormat): 'runs' | 'is refused' {
  const parsed = parse(content, format);
  if (!parsed.ok) return 'is refused';
  try {
    toCall(parsed, { endpoint: ENDPOINT, lineFormat: format }, models);
    return 'runs';
  } catch (error) {
    if (error instanceof InvalidRequestError) return 'is refused';
    throw error;
  }
}

it('nothing in a line throws anything but an InvalidRequestError', () => {
  const fields = fc.dictionary(
    fc.constantFrom(
      'custom_id',
      'prompt',
      'messages',
      'model',
      'stop',
      'max_tokens',
      'stream',
      'url',
      'body',
      'x',
    ),
    fc.jsonValue(),
  );
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.json(),
    fields.map((value) => JSON.stringify({ custom_id: 'a', ...value })),
  );
  fc.assert(
    fc.property(content, fc.constantFrom('flat', 'openai'), (bytes, format) => {
      expect(['runs', 'is refused']).toContain(fateOf(Buffer.from(bytes), format));
    }),
    { numRuns: 1000 },
  );
});
