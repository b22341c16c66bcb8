import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { GraphqlApiModule } from '../../src/index.js';
import { startRestOverFake, type FakeRest } from '../support/fake-encoders.js';
import { saying } from '../support/fake-models.js';

const LARGEST = 2000;

let fake: FakeRest;
beforeAll(async () => {
  fake = await startRestOverFake(
    '1mb',
    GraphqlApiModule.forRoot({ introspection: false, maxMessageBytes: LARGEST }),
  );
  fake.models.script = () => saying('Hello');
});
afterAll(() => fake.app.close());

const open = (headers: Record<string, string> = {}): WebSocket =>
  new WebSocket(`${fake.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers });

describe('a WebSocket', () => {
  it('takes messages up to the limit', async () => {
    const socket = open();
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { x: 'x'.repeat(LARGEST - 100) } }));
    expect(String((await once(socket, 'message'))[0])).toBe('{"type":"connection_ack"}');
    socket.close();
  });

  it('that sends more is closed, and nothing is printed', async () => {
    const printed = vi.spyOn(console, 'error');
    const socket = open();
    await once(socket, 'open');
    socket.send('x'.repeat(LARGEST + 1));
    expect((await once(socket, 'close'))[0]).toBe(1009);
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  it.each(['http://evil.example', 'null', 'http://127.0.0.1:1'])(
    'of a page of %s is refused',
    async (origin) => {
      const socket = open({ origin });
      socket.on('error', () => undefined);
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
      expect(response.statusCode).toBe(403);
      expect(await text(response)).toContain('origin');
    },
  );

  it("of this server's own page is welcome", async () => {
    const socket = open({ origin: fake.url });
    await once(socket, 'open');
    expect(socket.protocol).toBe('graphql-transport-ws');
    socket.close();
  });
});

/** What is answered to a request with these headers until the connection ends. */
async function raw(method: string, path: string, headers: readonly string[], body = ''): Promise<string> {
  const socket: Socket = connect(Number(new URL(fake.url).port), '127.0.0.1');
  socket.write([`${method} ${path} HTTP/1.1`, 'Host: x', ...headers, '', body].join('\r\n'));
  return text(socket);
}

const WEB_SOCKET = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
];

describe('a request to upgrade', () => {
  it.each(['/', '/ws', '/graphql/stream', '/graphqlx'])('on the path %s is answered', async (path) => {
    expect(await raw('GET', path, WEB_SOCKET)).toMatch(/^HTTP\/1\.1 4\d\d .*\r\nConnection: close\r\n/is);
  });

  it('to HTTP/2, as of a Java client, is served as it is', async () => {
    const body = JSON.stringify({ model: 'm', input: 'a' });
    const headers = [
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ];
    const answer = await raw('POST', '/v1/tokenize', headers, body);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ tokens: [1, 97] });
  });

  it('and a body that comes later is read', async () => {
    const sent = request(`${fake.url}/graphql`, {
      method: 'POST',
      headers: { connection: 'Upgrade', upgrade: 'h2c', 'content-type': 'application/json' },
    });
    sent.write('{"query": ');
    setTimeout(() => sent.end('"{ models { name } }"}'), 50);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    expect(JSON.parse(await text(response))).toEqual({ data: { models: [{ name: 'tales' }] } });
  });
});

it.each(['graphql', 'graphql/stream'])(
  '%s takes no more values in variables than a body may hold',
  async (path) => {
    const variables = { input: { prompt: 'a', stopTokenIds: Array<number>(100_001).fill(-1) } };
    const query = 'query ($input: GenerateInput!) { generate(input: $input) { text } }';
    const response = await fetch(`${fake.url}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ query, variables }),
    });
    expect(await response.text()).toContain('The body holds more than 100000 values.');
  },
);

describe('a GET that any page could send', () => {
  const url = (path: string) => `${fake.url}${path}?query=%7B%20models%20%7B%20name%20%7D%20%7D`;
  const stream = { accept: 'text/event-stream' };

  it.each([
    ['/graphql', {}, 400],
    ['/graphql/stream', stream, 403],
    ['/graphql/stream', { ...stream, 'sec-fetch-site': 'cross-site' }, 403],
    ['/graphql/stream', { ...stream, 'sec-fetch-site': 'same-site' }, 403],
  ])('is refused on %s with %j', async (path, headers, status) => {
    const response = await fetch(url(path), { headers });
    expect(response.status).toBe(status);
    expect(await response.text()).toContain('apollo-require-preflight');
  });

  it.each([
    ['/graphql', { 'apollo-require-preflight': 'true' }],
    ['/graphql/stream', { ...stream, 'apollo-require-preflight': 'true' }],
    ['/graphql/stream', { ...stream, 'sec-fetch-site': 'same-origin' }],
  ])('is answered on %s with %j', async (path, headers) => {
    const response = await fetch(url(path), { headers });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('tales');
  });
});
