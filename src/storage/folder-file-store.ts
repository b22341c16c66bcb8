import { createReadStream } from 'node:fs';
import { mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { randomUUID } from 'node:crypto';
import { FileStore, FileTooLargeError, isMissing, type ByteRange, type StoredObject } from './file-store.js';

const KEY = /^[\w-][\w.-]*$/;
/** Of a file that is being written: whoever finds an old one may remove it. */
export const PARTIAL = '.partial-';

/** Objects as the files of a folder; several processes may share it. */
export class FolderFileStore extends FileStore {
  readonly #folder: string;

  private constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  static async open(folder: string): Promise<FolderFileStore> {
    await mkdir(folder, { recursive: true });
    return new FolderFileStore(folder);
  }

  async write(key: string, source: AsyncIterable<Uint8Array>, limit = Infinity): Promise<number> {
    const path = this.#path(key);
    const partial = join(this.#folder, `${PARTIAL}${randomUUID()}`);
    try {
      const bytes = await writeAll(partial, source, limit);
      await rename(partial, path);
      await syncFolder(this.#folder);
      return bytes;
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }

  read(key: string, { start, end }: ByteRange = { start: 0 }): Readable {
    return createReadStream(this.#path(key), { start, ...(end === undefined ? {} : { end }) });
  }

  async size(key: string): Promise<number | undefined> {
    try {
      return (await stat(this.#path(key))).size;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  async *list(): AsyncGenerator<StoredObject> {
    for await (const entry of await opendir(this.#folder)) {
      if (!entry.isFile()) continue;
      const found = await stat(join(this.#folder, entry.name)).catch(() => undefined);
      if (found) yield { key: entry.name, bytes: found.size, modifiedAt: found.mtimeMs };
    }
  }

  #path(key: string): string {
    if (!KEY.test(key) && !key.startsWith(PARTIAL)) throw new Error(`'${key}' is no key of a file`);
    return join(this.#folder, key);
  }
}

async function writeAll(path: string, source: AsyncIterable<Uint8Array>, limit: number): Promise<number> {
  const file = await open(path, 'wx');
  try {
    let bytes = 0;
    for await (const part of source) {
      bytes += part.byteLength;
      if (bytes > limit) throw new FileTooLargeError(limit);
      await file.writeFile(part);
    }
    await file.sync();
    return bytes;
  } finally {
    await file.close();
  }
}

/** Makes a rename last through a power failure, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
