import { Inject, Injectable } from '@nestjs/common';
import { InvalidRequestError, messageOf } from '../../engine/errors.js';
import type { BatchModuleOptions } from '../batch-options.interface.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { FilesRepository } from '../store/files.repository.js';

/** What files may take of the disk, and what is said when there is no room. */
@Injectable()
export class StorageQuota {
  readonly #files: FilesRepository;
  readonly #quotaBytes: number | null;

  constructor(
    files: FilesRepository,
    @Inject(MODULE_OPTIONS_TOKEN) { limits }: Pick<BatchModuleOptions, 'limits'>,
  ) {
    this.#files = files;
    this.#quotaBytes = limits.quotaBytes;
  }

  /**
   * @param bytesToCome of a file that isn't listed yet; 0: not known
   * @throws InvalidRequestError `storage_full`, if there is no room for them
   */
  async check(bytesToCome: number): Promise<void> {
    if (this.#quotaBytes === null) return;
    const used = await this.#files.totalBytes();
    // also when nothing is known of the size: it won't be nothing
    if (used + Math.max(1, bytesToCome) <= this.#quotaBytes) return;
    const more = bytesToCome > 0 ? ` and ${inWords(bytesToCome)} more would not fit` : '';
    throw new InvalidRequestError(
      'storage_full',
      `The files take ${inWords(used)} of the ${inWords(this.#quotaBytes)} that storage.quota allows${more}. Delete files that aren't needed any more (DELETE /v1/files/{id}), or raise storage.quota.`,
    );
  }

  /** A full disk in words for clients; any other failure as it is. */
  explain(error: unknown): unknown {
    if (!isDiskFull(error)) return error;
    return new InvalidRequestError(
      'storage_full',
      "The disk of the server is full. Delete files that aren't needed any more (DELETE /v1/files/{id}), or make room on it.",
      { cause: error },
    );
  }
}

/** Of files, of SQLite, of Postgres. */
const DISK_FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL', '53100']);

function isDiskFull(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  if ('code' in error && DISK_FULL.has(error.code)) return true;
  return messageOf(error).includes('database or disk is full');
}

/** `1.5 GB`, as the configuration counts them. */
function inWords(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
