import { describe, expect, it } from 'vitest';
import { StorageQuota } from '../../src/batch/retention/storage-quota.js';
import type { FilesRepository } from '../../src/batch/store/files.repository.js';
import { LIMITS } from './schedules/server.js';

const MB = 2 ** 20;

function quota(used: number, quotaBytes: number | null): StorageQuota {
  const files = { totalBytes: async () => used } as unknown as FilesRepository;
  return new StorageQuota(files, { limits: { ...LIMITS, quotaBytes } });
}

describe('the quota', () => {
  it('lets in what fits, to the byte', async () => {
    await expect(quota(10 * MB, 15 * MB).check(5 * MB)).resolves.toBeUndefined();
    await expect(quota(10 * MB, null).check(1e15)).resolves.toBeUndefined();
  });

  it('refuses one byte more, with the numbers and what to do', async () => {
    await expect(quota(10 * MB, 15 * MB).check(5 * MB + 1)).rejects.toMatchObject({
      code: 'storage_full',
      message:
        "The files take 10.0 MB of the 15.0 MB that storage.quota allows and 5.0 MB more would not fit. Delete files that aren't needed any more (DELETE /v1/files/{id}), or raise storage.quota.",
    });
  });

  it('refuses what is of unknown size when it is full', async () => {
    await expect(quota(15 * MB, 15 * MB).check(0)).rejects.toMatchObject({ code: 'storage_full' });
    await expect(quota(15 * MB - 1, 15 * MB).check(0)).resolves.toBeUndefined();
  });
});

describe('a full disk', () => {
  it.each([
    Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }),
    Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' }),
    Object.assign(new Error('could not extend file'), { code: '53100' }),
  ])('is told as such: %s', (error) => {
    expect(quota(0, null).explain(error)).toMatchObject({ code: 'storage_full', cause: error });
  });

  it('is not what every failure is', () => {
    const error = Object.assign(new Error('EACCES'), { code: 'EACCES' });
    expect(quota(0, null).explain(error)).toBe(error);
  });
});
