import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { InvalidRequestError } from '../../src/engine/errors.js';
import { parseWith, unsupportedField, validationPipe } from '../../src/transport/validation.js';
import { thrown } from './helpers/thrown.js';

const schema = z.strictObject({
  name: z.string(),
  count: z.int().min(1).optional(),
  list: z.array(z.strictObject({ text: z.string() })).optional(),
  kind: z.enum(['a', 'b']).optional(),
  n: unsupportedField(1),
  logit_bias: unsupportedField({}, null),
  suffix: unsupportedField(),
});

function refusal(body: unknown): InvalidRequestError {
  return thrown(InvalidRequestError, () => parseWith(schema, body));
}

describe('parseWith', () => {
  it('gives what the schema makes of a valid body', () => {
    expect(
      parseWith(
        schema.transform(({ name }) => name),
        { name: 'x' },
      ),
    ).toBe('x');
  });

  it.each([
    [{}, 'missing_required_parameter', 'name', "Missing required parameter: 'name'."],
    [{ name: 'x', list: [{}] }, 'missing_required_parameter', 'list[0].text', "'list[0].text'"],
    [{ name: 3 }, 'invalid_value', 'name', "Invalid value for 'name': invalid input: expected string"],
    [{ name: null }, 'invalid_value', 'name', 'received null'],
    [{ name: 'x', count: 0 }, 'invalid_value', 'count', "'count'"],
    [{ name: 'x', list: [{ text: 'a' }, { text: 3 }] }, 'invalid_value', 'list[1].text', "'list[1].text'"],
    [{ name: 'x', nam: 'y' }, 'unknown_parameter', 'nam', "Unknown parameter: 'nam'."],
    [{ name: 'x', list: [{ text: 'a', txt: 'b' }] }, 'unknown_parameter', 'list[0].txt', "'list[0].txt'"],
    [
      { name: 'x', n: 2 },
      'unsupported_parameter',
      'n',
      "'n' is not supported by this server: only 1 is supported.",
    ],
    [
      { name: 'x', suffix: 'y' },
      'unsupported_parameter',
      'suffix',
      "'suffix' is not supported by this server",
    ],
  ])('names what is wrong with %j', (body, code, param, message) => {
    const error = refusal(body);
    expect(error).toMatchObject({ code, param });
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/[^.]\.$/);
  });

  it.each([[undefined], [null], [3], ['text'], [[1]]])('asks for an object instead of %j', (body) => {
    const error = refusal(body);
    expect(error).toMatchObject({ code: 'invalid_value', param: undefined });
    expect(error.message).toContain('Send a JSON object');
  });
});

describe('unsupportedField', () => {
  it('accepts being left out, null, and what means the same as being left out', () => {
    for (const body of [{}, { n: null }, { n: 1 }, { logit_bias: {} }, { suffix: null }]) {
      expect(() => parseWith(schema, { name: 'x', ...body })).not.toThrow();
    }
  });

  it('refuses every other value by name', () => {
    fc.assert(
      fc.property(
        fc.jsonValue().filter((value) => value !== null && value !== 1),
        (value) => {
          expect(refusal({ name: 'x', n: value })).toMatchObject({
            code: 'unsupported_parameter',
            param: 'n',
          });
        },
      ),
    );
  });

  it('tells each value it accepts', () => {
    expect(refusal({ name: 'x', logit_bias: { 5: 1 } }).message).toContain('only {} or null is supported');
  });
});

async function transform(body: unknown): Promise<unknown> {
  return validationPipe().transform(body, { type: 'body', schema });
}

describe('validationPipe', () => {
  it('gives the handler what the schema makes of the body', async () => {
    expect(await transform({ name: 'x' })).toEqual({ name: 'x' });
  });

  it('throws the same errors as parseWith', async () => {
    for (const body of [{}, { name: 3 }, { name: 'x', nam: 1 }, { name: 'x', n: 2 }, undefined]) {
      const { code, message, param } = refusal(body);
      await expect(transform(body)).rejects.toMatchObject({ code, message, param });
    }
  });
});
