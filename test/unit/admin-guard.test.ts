import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../src/engine/errors.js';
import { checkAdmin } from '../../src/transport/admin.guard.js';

const KEY = 'a-key-of-some-length';

function request(remoteAddress: string | undefined, headers: Record<string, string> = {}): IncomingMessage {
  return { headers, socket: { remoteAddress } } as unknown as IncomingMessage;
}

function outcome(asked: IncomingMessage, key: string | null): string {
  try {
    checkAdmin(asked, key);
    return 'admitted';
  } catch (error) {
    return error instanceof InvalidRequestError ? error.code : 'another failure';
  }
}

describe('with a key', () => {
  it.each([
    [`Bearer ${KEY}`, 'admitted'],
    [`bearer  ${KEY} `, 'admitted'],
    [`Bearer ${KEY}x`, 'unauthorized'],
    ['Bearer ', 'unauthorized'],
    [KEY, 'unauthorized'],
    [`Basic ${KEY}`, 'unauthorized'],
  ])('%s: %s', (authorization, expected) => {
    expect(outcome(request('203.0.113.7', { authorization }), KEY)).toBe(expected);
  });

  it('nobody comes in without, not even from this machine', () => {
    expect(outcome(request('127.0.0.1'), KEY)).toBe('unauthorized');
  });
});

describe('without a key', () => {
  it.each(['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'])('%s is this machine', (address) => {
    expect(outcome(request(address), null)).toBe('admitted');
  });

  it.each(['203.0.113.7', '10.0.0.1', '::ffff:10.0.0.1', '2001:db8::1', undefined])(
    '%s is not',
    (address) => {
      expect(outcome(request(address), null)).toBe('forbidden');
    },
  );

  it.each(['x-forwarded-for', 'forwarded', 'x-real-ip'])(
    'whoever comes through a proxy (%s) is not',
    (header) => {
      expect(outcome(request('127.0.0.1', { [header]: '127.0.0.1' }), null)).toBe('forbidden');
    },
  );

  it('a page in a browser of this machine is admitted only if it comes from this server', () => {
    const from = (origin: string, host: string) => outcome(request('127.0.0.1', { origin, host }), null);
    expect(from('http://127.0.0.1:3000', '127.0.0.1:3000')).toBe('admitted');
    expect(from('http://localhost:3000', 'localhost:3000')).toBe('admitted');
    expect(from('http://[::1]:3000', '[::1]:3000')).toBe('admitted');
    expect(from('https://example.com', '127.0.0.1:3000')).toBe('forbidden');
    // a name that its owner has pointed at this machine
    expect(from('http://example.com:3000', 'example.com:3000')).toBe('forbidden');
    expect(from('null', '127.0.0.1:3000')).toBe('forbidden');
  });
});
