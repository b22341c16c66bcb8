import { request as openRequest, type IncomingMessage, type Server } from 'node:http';
import { duplexPair } from 'node:stream';
import type { AdapterRequest } from '@h4ad/serverless-adapter';

/** Of one connection; each of ours carries one request, and its length is known. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

type Headers = IncomingMessage['headers'];

/**
 * Sends a request to a server of this process that listens nowhere, over a connection in memory: for the server it is HTTP like any
 * other, with chunks, backpressure and a connection that closes. Destroying the answer closes it.
 */
export function sendLocally(
  server: Server,
  { method, path, headers, body, remoteAddress }: AdapterRequest,
): Promise<IncomingMessage> {
  const [ours, theirs] = duplexPair();
  // as with sockets: whoever leaves, the other side learns of it
  ours.once('close', () => theirs.destroy());
  theirs.once('close', () => theirs.writableFinished || ours.destroy());
  server.emit('connection', Object.assign(theirs, { remoteAddress }));
  return new Promise((resolve, reject) => {
    const request = openRequest(
      {
        method,
        path: escapePath(path),
        headers: { ...endToEnd(headers), 'content-length': body?.byteLength ?? 0 },
        createConnection: () => ours,
      },
      resolve,
    );
    request.once('error', reject);
    request.end(body);
  });
}

/** Without what concerns this connection only. */
export function endToEnd(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name, value]) => value !== undefined && !HOP_BY_HOP.has(name.toLowerCase()),
    ),
  );
}

/** API Gateway decodes paths; what HTTP can't say as it is, is escaped again. */
function escapePath(path: string): string {
  // halves of surrogate pairs, which no encoding has, become U+FFFD on the way through bytes
  return path.replaceAll(/[^\x21-\x7e]/gu, (character) =>
    encodeURIComponent(Buffer.from(character).toString()),
  );
}
