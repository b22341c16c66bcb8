import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { sendLocally } from '../../src/lambda/local-connection.js';

it.each([
  ['/v1/models/a model?a=b&c', '/v1/models/a%20model?a=b&c'],
  ['/größe/😀', '/gr%C3%B6%C3%9Fe/%F0%9F%98%80'],
  ['/already%20so', '/already%20so'],
  ['/half\ud800', '/half%EF%BF%BD'],
])('sends the path %j', async (path, received) => {
  const server = createServer((request, response) => response.end(request.url));
  const answer = await sendLocally(server, { method: 'GET', path, headers: {} });
  expect(await text(answer)).toBe(received);
});

it('a server that ends the connection without an answer is an error', async () => {
  const server = createServer((request) => request.socket.destroy());
  await expect(sendLocally(server, { method: 'GET', path: '/', headers: {} })).rejects.toThrow(
    'socket hang up',
  );
});
