import type { Readable } from 'node:stream';

/** Bytes of a file, both ends included, as in HTTP ranges. */
export interface ByteRange {
  readonly start: number;
  /** Default: to the end of the file. */
  readonly end?: number | undefined;
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/**
 * Where the content of files is kept: a folder, or whatever else stores objects under keys. Keys are letters, digits, `-`, `_`
 * and `.`; an object is written whole or not at all, and never changed.
 */
export abstract class FileStore {
  /**
   * Writes an object; it is there for good when the promise resolves, and not at all if it rejects.
   * @returns its size in bytes
   * @throws whatever the source throws; FileTooLargeError beyond `limit` bytes
   */
  abstract write(key: string, source: AsyncIterable<Uint8Array>, limit?: number): Promise<number>;

  /** @throws through the stream, with code `ENOENT`, if there is no such object */
  abstract read(key: string, range?: ByteRange): Readable;

  /** Size in bytes; undefined: there is no such object. */
  abstract size(key: string): Promise<number | undefined>;

  /** Does nothing if there is no such object. */
  abstract delete(key: string): Promise<void>;

  abstract list(): AsyncIterable<StoredObject>;
}

export class FileTooLargeError extends Error {
  constructor(readonly limit: number) {
    super(`larger than ${limit} bytes`);
  }
}

/** Whether there is no such object, or file. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
