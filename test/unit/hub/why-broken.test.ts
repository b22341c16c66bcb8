import { expect, it } from 'vitest';
import { whyBroken } from '../../../src/engine/hub/hub-client.js';

it.each([
  [
    'what fetch wraps',
    new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND hub.') }),
    'getaddrinfo ENOTFOUND hub',
  ],
  [
    'the first of several addresses',
    new TypeError('fetch failed', {
      cause: new AggregateError([
        new Error('connect ECONNREFUSED ::1:80'),
        new Error('connect ECONNREFUSED 127.0.0.1:80'),
      ]),
    }),
    'connect ECONNREFUSED ::1:80',
  ],
  ['something, whatever it is', new Error(''), 'the connection broke'],
])('tells %s', (_, error, reason) => {
  expect(whyBroken(error)).toBe(reason);
});
