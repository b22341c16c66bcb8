import { Injectable } from '@nestjs/common';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { FileStore, isMissing, type ByteRange } from '../../storage/file-store.js';
import { fileVersion } from '../batch-files.js';
import type { Batch } from '../batch-types.js';

/** Of the input of a batch, since the batch was made of it. */
export type InputState =
  | { readonly kind: 'same' }
  | { readonly kind: 'changed'; readonly version: string }
  | { readonly kind: 'gone' };

type WithInput = Pick<Batch, 'input' | 'plainKey'>;

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);

/** The inputs of batches, wherever they lie. */
@Injectable()
export class BatchInputs {
  readonly #store: FileStore;

  constructor(store: FileStore) {
    this.#store = store;
  }

  /** The lines, inflated if they were compressed. The stream fails with `ENOENT` if the input is gone. */
  readPlain({ input, plainKey }: WithInput, range?: ByteRange): Readable {
    return plainKey === null ? this.#readRaw(input, range) : this.#store.read(plainKey, range);
  }

  async state({ input }: Pick<Batch, 'input'>): Promise<InputState> {
    if (input.kind === 'file')
      return { kind: (await this.#store.size(input.fileId)) === undefined ? 'gone' : 'same' };
    try {
      const version = await fileVersion(input.path);
      return version === input.version ? { kind: 'same' } : { kind: 'changed', version };
    } catch (error) {
      if (isMissing(error)) return { kind: 'gone' };
      throw error;
    }
  }

  async isCompressed({ input }: Pick<Batch, 'input'>): Promise<boolean> {
    const parts: Buffer[] = [];
    for await (const part of this.#readRaw(input, { start: 0, end: GZIP_MAGIC.length - 1 }))
      parts.push(part as Buffer);
    return Buffer.concat(parts).equals(GZIP_MAGIC);
  }

  /**
   * Writes the plain lines of a compressed input into the store.
   * @param limit in bytes
   * @throws FileTooLargeError; an error with a code `Z_…` if the input is damaged
   */
  async inflate(
    { input }: Pick<Batch, 'input'>,
    key: string,
    limit: number,
    signal: AbortSignal,
  ): Promise<void> {
    const plain = createGunzip();
    const reading = pipeline(this.#readRaw(input), plain, { signal });
    // told by the write, which reads `plain`
    reading.catch(() => undefined);
    await this.#store.write(key, plain, limit);
    await reading;
  }

  /** Forgets what `inflate` wrote. */
  async deletePlain(key: string): Promise<void> {
    await this.#store.delete(key);
  }

  #readRaw(input: Batch['input'], range?: ByteRange): Readable {
    switch (input.kind) {
      case 'file':
        return this.#store.read(input.fileId, range);
      case 'path':
        return createReadStream(input.path, toReadOptions(range));
      default:
        return input satisfies never;
    }
  }
}

function toReadOptions(range: ByteRange | undefined): { start?: number; end?: number } {
  if (range === undefined) return {};
  const { start, end } = range;
  return end === undefined ? { start } : { start, end };
}

/** Whether zlib says that its input is damaged, or ends too early. */
export function isDamagedGzip(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' && code.startsWith('Z_');
}
