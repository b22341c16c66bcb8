import { Inject, Injectable } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { InvalidRequestError } from '../engine/errors.js';
import { FileStore, FileTooLargeError, type ByteRange } from '../storage/file-store.js';
import type { BatchModuleOptions } from './batch-options.interface.js';
import type { FilePurpose, StoredFile } from './batch-types.js';
import { MODULE_OPTIONS_TOKEN } from './batch.module-definition.js';
import { expiryOf } from './retention/expiry.js';
import { StorageQuota } from './retention/storage-quota.js';
import { FilesRepository, type FilePage } from './store/files.repository.js';
import { newId } from './store/ids.js';

export interface NewFile {
  readonly filename: string;
  readonly purpose: FilePurpose;
  /** Default: `limits.fileDays`. */
  readonly expiresAfterSeconds?: number | undefined;
}

/** Content that is stored and isn't listed yet. */
export interface ReceivedContent {
  /** What the file will be called by. */
  readonly id: string;
  readonly bytes: number;
}

/** Most bytes of a request that may be there beside those of its file. */
const FRAME_BYTES = 64 * 2 ** 10;
/** Bytes between two looks at the quota. */
const QUOTA_STEP = 32 * 2 ** 20;

/** Files of the API: uploads, and what batches answer. */
@Injectable()
export class FilesService {
  readonly #files: FilesRepository;
  readonly #store: FileStore;
  readonly #quota: StorageQuota;
  readonly #limits: BatchModuleOptions['limits'];

  constructor(
    files: FilesRepository,
    store: FileStore,
    quota: StorageQuota,
    @Inject(MODULE_OPTIONS_TOKEN) { limits }: Pick<BatchModuleOptions, 'limits'>,
  ) {
    this.#files = files;
    this.#store = store;
    this.#quota = quota;
    this.#limits = limits;
  }

  /** @throws InvalidRequestError `file_too_large`, `storage_full`; whatever the source throws: nothing is left then */
  async upload({ source, ...file }: NewFile & { source: AsyncIterable<Uint8Array> }): Promise<StoredFile> {
    return this.keep(await this.receive(source), file);
  }

  /**
   * Refuses what can't be stored before it comes.
   * @param requestBytes of the whole request; 0: not known
   * @throws as `upload`
   */
  async checkRoom(requestBytes: number): Promise<void> {
    const { maxFileBytes } = this.#limits;
    if (requestBytes > maxFileBytes + FRAME_BYTES) throw tooLarge(maxFileBytes);
    await this.#quota.check(Math.max(0, requestBytes - FRAME_BYTES));
  }

  /**
   * Stores content whose name and purpose may not be known yet; `keep` or `discard` is to follow.
   * @throws as `upload`
   */
  async receive(source: AsyncIterable<Uint8Array>): Promise<ReceivedContent> {
    const id = newId('file-');
    const { maxFileBytes } = this.#limits;
    try {
      return { id, bytes: await this.#store.write(id, this.#withinQuota(source), maxFileBytes) };
    } catch (error) {
      if (error instanceof FileTooLargeError) throw tooLarge(maxFileBytes);
      throw this.#quota.explain(error);
    }
  }

  /** Lists what was received. Content that can't be listed is removed. */
  async keep(
    { id, bytes }: ReceivedContent,
    { filename, purpose, expiresAfterSeconds }: NewFile,
  ): Promise<StoredFile> {
    const createdAt = Date.now();
    const expiresAt = expiryOf(createdAt, expiresAfterSeconds ?? null, this.#limits);
    const file = { id, purpose, filename, bytes, createdAt, expiresAt };
    try {
      await this.#files.insert(file);
    } catch (error) {
      await this.discard(id);
      throw error;
    }
    return file;
  }

  /** Removes content that was received and isn't kept. */
  async discard(id: string): Promise<void> {
    await this.#store.delete(id);
  }

  /** @throws InvalidRequestError `file_not_found` */
  async get(id: string): Promise<StoredFile> {
    const file = await this.#files.get(id);
    if (!file) throw notFound(id);
    return file;
  }

  /** @throws InvalidRequestError if the cursor is no file */
  async list(page: FilePage): Promise<{ files: StoredFile[]; hasMore: boolean }> {
    const { after, limit } = page;
    if (after !== undefined && !(await this.#files.get(after)))
      throw new InvalidRequestError('invalid_value', `There is no file '${after}' to go on after.`, {
        param: 'after',
      });
    const files = await this.#files.list({ ...page, limit: limit + 1 });
    return { files: files.slice(0, limit), hasMore: files.length > limit };
  }

  /**
   * @param range of its bytes; default: all
   * @throws InvalidRequestError `file_not_found`
   */
  async content(id: string, range?: ByteRange): Promise<{ file: StoredFile; stream: Readable }> {
    const file = await this.get(id);
    if ((await this.#store.size(id)) === undefined) throw notFound(id);
    return { file, stream: this.#store.read(id, range) };
  }

  /** @throws InvalidRequestError `file_not_found`; `conflict` while an unfinished batch reads it */
  async delete(id: string): Promise<void> {
    const outcome = await this.#files.deleteUnused(id);
    switch (outcome) {
      case 'deleted':
        return this.#store.delete(id);
      case 'missing':
        throw notFound(id);
      case 'in_use':
        throw new InvalidRequestError(
          'conflict',
          `The file '${id}' is the input of a batch that isn't finished. Cancel the batch, or wait until it ends.`,
        );
      default:
        return outcome satisfies never;
    }
  }

  /** Others may store files meanwhile: the quota is looked at again and again, and at the end. */
  async *#withinQuota(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    let bytes = 0;
    let next = QUOTA_STEP;
    for await (const part of source) {
      bytes += part.byteLength;
      if (bytes >= next) {
        next = bytes + QUOTA_STEP;
        await this.#quota.check(bytes);
      }
      yield part;
    }
    await this.#quota.check(bytes);
  }
}

function tooLarge(limit: number): InvalidRequestError {
  return new InvalidRequestError(
    'file_too_large',
    `The file is larger than ${limit} bytes, which is batch.maxFileSize of the configuration. Split it into several.`,
    { param: 'file' },
  );
}

function notFound(id: string): InvalidRequestError {
  return new InvalidRequestError('file_not_found', `There is no file '${id}'. It may have expired.`);
}
