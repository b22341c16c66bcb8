import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** What would ask for another protocol again. */
const UPGRADE_HEADERS: ReadonlySet<string> = new Set(['connection', 'upgrade', 'http2-settings']);

/**
 * Answers a request that asks for another protocol as if it didn't, which HTTP allows; Java's client asks for HTTP/2 with its first
 * request. As soon as anything listens for upgrades, Node hands over a bare socket: the request begins anew, on a connection of its own.
 */
export function answerWithoutUpgrade(
  server: Server,
  { method = 'GET', url = '/', httpVersion, rawHeaders }: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!UPGRADE_HEADERS.has(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[i + 1]}`);
  }
  const start = Buffer.from(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`, 'latin1');
  socket.unshift(Buffer.concat([start, head]));
  server.emit('connection', socket);
}
