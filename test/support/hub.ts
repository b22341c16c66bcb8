import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface LocalHub {
  readonly url: string;
  /** Every request so far: `GET /owner/name/resolve/main/config.json`. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** Speaks the file API of the Hugging Face hub for one model: `/{id}/resolve/{revision}/{file}`. */
export async function startHub(id: string, folder: string): Promise<LocalHub> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    serveFile(id, folder, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function serveFile(id: string, folder: string, request: IncomingMessage, response: ServerResponse): void {
  const prefix = `/${id}/resolve/main/`;
  const path = decodeURIComponent(request.url ?? '');
  const file = join(folder, path.slice(prefix.length));
  if (!path.startsWith(`/${id}/`)) return void response.writeHead(401).end('Invalid username or password.'); // as the hub does
  if (!path.startsWith(prefix) || !existsSync(file))
    return void response.writeHead(404).end('Entry not found');
  const { size, mtimeMs } = statSync(file);
  const head = { ETag: `"${size}-${mtimeMs}"`, 'Accept-Ranges': 'bytes' };
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const [start, end] = range ? [Number(range[1]), Math.min(Number(range[2]), size - 1)] : [0, size - 1];
  const partial = range ? { 'Content-Range': `bytes ${start}-${end}/${size}` } : {};
  response.writeHead(range ? 206 : 200, { ...head, ...partial, 'Content-Length': end - start + 1 });
  if (request.method === 'HEAD') response.end();
  else createReadStream(file, { start, end }).pipe(response);
}
