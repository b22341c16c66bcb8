import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FilesRepository } from '../../src/batch/store/files.repository.js';
import { FileStore, type StoredObject } from '../../src/storage/file-store.js';
import { startBatchDoors, type BatchDoors } from '../support/batch-doors.js';
import { until } from '../support/server.js';

const MB = 2 ** 20;
const SIZE = 200 * MB;
/** Of Node's and multer's buffers together; the kernel has its own. */
const MOST_BUFFERED = MB;
/** What the kernel may hold of a connection that nobody reads from. */
const MOST_IN_KERNEL = 32 * MB;

/** Holds nothing: counts what it was given, and how much more the server had read by then. */
class CountingStore extends FileStore {
  /** Bytes that the server has read of the connection. */
  received: () => number = () => 0;
  written = 0;
  mostAhead = 0;
  sent = 0;
  ended = false;

  async write(_key: string, source: AsyncIterable<Uint8Array>): Promise<number> {
    for await (const part of source) {
      this.written += part.byteLength;
      this.mostAhead = Math.max(this.mostAhead, this.received() - this.written);
      // slower than what comes
      await nextTurn();
    }
    return this.written;
  }

  read(): Readable {
    const piece = Buffer.alloc(64 * 1024);
    const stream = new Readable({
      read: () => {
        this.sent += piece.length;
        stream.push(this.sent <= SIZE ? piece : null);
      },
    });
    return stream.once('close', () => (this.ended = true));
  }

  async size(): Promise<number> {
    return SIZE;
  }

  async delete(): Promise<void> {}

  async *list(): AsyncGenerator<StoredObject> {}
}

const store = new CountingStore();
let doors: BatchDoors;
beforeAll(async () => {
  doors = await startBatchDoors({ limits: { maxFileBytes: 2 * SIZE }, store: async () => store });
});
afterAll(() => doors.close());

it('an upload of 200 MB goes through in pieces', async () => {
  doors.app.getHttpServer().once('connection', (socket: Socket) => {
    store.received = () => socket.bytesRead;
  });
  const head =
    '--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n' +
    '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n';
  const tail = '\r\n--x--\r\n';
  const upload = request(`${doors.url}/v1/files`, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'multipart/form-data; boundary=x',
      'content-length': head.length + SIZE + tail.length,
    },
  });
  const answered = once(upload, 'response');
  upload.write(head);
  const piece = Buffer.alloc(MB, 'a');
  for (let sent = 0; sent < SIZE; sent += MB) if (!upload.write(piece)) await once(upload, 'drain');
  upload.end(tail);
  const [response] = await answered;
  expect(response.statusCode).toBe(200);
  expect(JSON.parse(Buffer.concat(await response.toArray()).toString())).toMatchObject({ bytes: SIZE });
  expect(store.mostAhead).toBeGreaterThan(0);
  expect(store.mostAhead).toBeLessThan(MOST_BUFFERED);
});

it('a download is read as fast as the client takes it, and no further once it has gone', async () => {
  const file = {
    id: 'file-1',
    purpose: 'batch' as const,
    filename: 'a',
    bytes: SIZE,
    createdAt: 0,
    expiresAt: null,
  };
  await doors.app.get(FilesRepository).insert(file);
  const download = request(`${doors.url}/v1/files/file-1/content`, { agent: false }).end();
  const [response] = await once(download, 'response');
  expect(response.headers['content-length']).toBe(String(SIZE));
  // until nothing moves any more
  let before = -1;
  await until(async () => {
    const still = store.sent === before;
    before = store.sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return still && before > 0;
  });
  expect(store.sent).toBeLessThan(MOST_IN_KERNEL);
  expect(store.ended).toBe(false);
  download.destroy();
  await until(async () => store.ended);
});
