import { describe, expect, it } from 'vitest';
import { checkBody, MOST_VALUES } from '../../src/transport/check-body.js';
import { InvalidRequestError } from '../../src/engine/errors.js';
import { thrown } from './helpers/thrown.js';

const many = <T>(value: T, count = MOST_VALUES + 1): T[] => Array.from({ length: count }, () => value);
const refusal = (body: unknown) => thrown(InvalidRequestError, () => checkBody(body));

describe('checkBody', () => {
  it.each([
    [undefined],
    [null],
    [3],
    ['text'],
    [[]],
    [{}],
    [{ messages: [{ role: 'user', content: 'a' }], response_format: { properties: { constructor: {} } } }],
  ])('lets %j pass', (body) => {
    expect(() => checkBody(body)).not.toThrow();
  });

  it.each(['prompt', 'input', 'tokens'])('lets any number of token ids pass as %s', (name) => {
    expect(() => checkBody({ [name]: many(5, 1_000_000) })).not.toThrow();
    expect(() => checkBody({ [name]: many(many(5, 1000), 2000) })).not.toThrow();
  });

  it.each([
    ['messages', many(1)],
    ['messages', many([])],
    ['prompt', many('')],
    ['input', many(-1)],
    ['input', many(0.5)],
    ['tokens', many(null)],
    ['documents', many(many({}, 1000), 1000)],
    ['logit_bias', Object.fromEntries(many(0).map((value, i) => [String(i), value]))],
  ])('refuses too many values in %s', (name, value) => {
    expect(refusal({ model: 'm', [name]: value })).toMatchObject({ code: 'invalid_value', param: name });
  });

  it('refuses too many values in all', () => {
    const half = many('', MOST_VALUES / 2);
    expect(refusal({ a: half, b: half })).toMatchObject({ code: 'invalid_value', param: 'b' });
  });

  it('refuses what would change a prototype, wherever it is', () => {
    for (const text of ['{"__proto__": 1}', '{"a": [{"b": {"__proto__": {}}}]}'])
      expect(refusal(JSON.parse(text))).toMatchObject({ code: 'unknown_parameter', param: '__proto__' });
  });

  it('goes as deep as there is anything', () => {
    const deep: unknown = JSON.parse('{"a":'.repeat(50_000) + '{"__proto__": 1}' + '}'.repeat(50_000));
    expect(refusal(deep).code).toBe('unknown_parameter');
  });
});
