import * as fc from 'fast-check';

/** A valid body for each endpoint that takes one, with every kind of field. */
export const VALID_BODIES = {
  '/v1/completions': { model: 'tales', prompt: ['a', 'b'], max_tokens: 3, stop: ['x'], logit_bias: { 5: 1 } },
  '/v1/chat/completions': {
    model: 'tales',
    messages: [
      { role: 'system', content: [{ type: 'text', text: 'a' }] },
      { role: 'user', content: 'b' },
    ],
    logprobs: true,
    top_logprobs: 2,
    tools: [],
    response_format: { type: 'text' },
  },
  '/v1/embeddings': { model: 'm', input: ['a', 'b'], encoding_format: 'base64', dimensions: 2, user: 'u' },
  '/v1/rerank': { model: 'm', query: 'q', documents: ['a', { text: 'b' }], top_n: 1, return_documents: true },
  '/v1/classify': { model: 'm', inputs: [['a', 'b']], top_k: 1, raw_scores: true },
  '/v1/tokenize': { model: 'm', input: 'a', add_special_tokens: true },
  '/v1/detokenize': { model: 'm', tokens: [1, 2], skip_special_tokens: true },
} as const satisfies Record<string, object>;

export type Endpoint = keyof typeof VALID_BODIES;
export const ENDPOINTS = Object.keys(VALID_BODIES) as Endpoint[];
export const endpoint: fc.Arbitrary<Endpoint> = fc.constantFrom(...ENDPOINTS);

/** Keys that JavaScript has ideas about. */
const ODD_KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  'toJSON',
  '',
  '0',
];

/** JSON texts, for what `JSON.stringify` would not write. */
const ODD_NUMBERS = ['1e308', '1e999', '-1e999', '9007199254740993', '-0', '1e-400', `1${'0'.repeat(400)}`];

export function nested(depth: number, open: string, close: string): string {
  return open.repeat(depth) + close.repeat(depth);
}

/** A JSON text of a value that may be anywhere. */
const oddValue: fc.Arbitrary<string> = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.constantFrom(...ODD_NUMBERS),
  fc.constantFrom(...ODD_KEYS).map((key) => `{${JSON.stringify(key)}: {"polluted": true}}`),
  fc.constantFrom(...ODD_KEYS).map((key) => JSON.stringify(key)),
  fc.integer({ min: 1, max: 10_000 }).map((depth) => nested(depth, '[', ']')),
  fc.integer({ min: 1, max: 10_000 }).map((depth) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`),
  fc.constantFrom('""', '"\\u0000"', '"\\ud800"', 'null', 'true', '[]', '{}', '[null]', '[[]]', '-1', '0.5'),
);

/** A valid body with one thing in it replaced, removed or added. */
export const mutatedBody: fc.Arbitrary<{ readonly path: Endpoint; readonly text: string }> = endpoint.chain(
  (path) => {
    const places = placesOf(VALID_BODIES[path]);
    return fc
      .record({
        place: fc.constantFrom(...places),
        value: oddValue,
        key: fc.oneof(fc.constantFrom(...ODD_KEYS), fc.string()),
        how: fc.constantFrom('replace' as const, 'remove' as const, 'add' as const),
      })
      .map(({ place, value, key, how }) => ({
        path,
        text: write(VALID_BODIES[path], place, { how, key, value }),
      }));
  },
);

type Place = readonly (string | number)[];

function placesOf(value: unknown, place: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [place];
  return [place, ...Object.entries(value).flatMap(([key, child]) => placesOf(child, [...place, key]))];
}

interface Mutation {
  readonly how: 'replace' | 'remove' | 'add';
  readonly key: string;
  readonly value: string;
}

/** As JSON, with the mutation at the place. */
function write(value: unknown, place: Place | undefined, mutation: Mutation): string {
  const isHere = place?.length === 0;
  if (isHere && mutation.how === 'replace') return mutation.value;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const children = Object.entries(value)
    .filter(([key]) => !(mutation.how === 'remove' && place?.length === 1 && place[0] === key))
    .map(
      ([key, child]) =>
        [key, write(child, place?.[0] === key ? place.slice(1) : undefined, mutation)] as const,
    );
  const all =
    isHere && mutation.how === 'add' ? [...children, [mutation.key, mutation.value] as const] : children;
  if (Array.isArray(value)) return `[${all.map(([, child]) => child).join(',')}]`;
  return `{${all.map(([key, child]) => `${JSON.stringify(key)}:${child}`).join(',')}}`;
}

export const contentType: fc.Arbitrary<string> = fc.constantFrom(
  'application/json',
  'application/json; charset=utf-8',
  'application/json; charset=utf-16',
  'application/json; charset=koi8-r',
  'application/json; charset="',
  'application/problem+json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  'text/plain',
  'text/html',
  'application/octet-stream',
  'nonsense',
  ';;;',
);

export const contentEncoding: fc.Arbitrary<string | undefined> = fc.constantFrom(
  undefined,
  undefined,
  'gzip',
  'deflate',
  'br',
  'identity',
  'nonsense',
);
