import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { lockOwner, thisHost, withLock } from '../../../src/engine/hub/cache-lock.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';

const TIMES = { heartbeatMs: 20, staleMs: 200, pollMs: 5 };
/** Larger than any that Linux gives out. */
const NO_PROCESS = 4_194_305;

function leaveLock(folder: string, owner: { host: string; pid: number }): string {
  const path = join(folder, '.resident', 'lock');
  mkdirSync(join(folder, '.resident'), { recursive: true });
  writeFileSync(path, JSON.stringify({ token: 'left', ...owner }));
  return path;
}

describe('withLock', () => {
  it('lets one work at a time, and each in the end', async () => {
    const folder = temporaryFolder();
    let working = 0;
    let most = 0;
    const done = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        withLock(
          folder,
          async () => {
            most = Math.max(most, ++working);
            await sleep(5);
            working--;
            return i;
          },
          undefined,
          TIMES,
        ),
      ),
    );
    expect(done).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(most).toBe(1);
    expect(existsSync(join(folder, '.resident', 'lock'))).toBe(false);
  });

  it('is not waited for by whom somebody else does the work', async () => {
    const folder = temporaryFolder();
    const [first, second] = await Promise.all([
      withLock(folder, () => sleep(200, 'by itself'), undefined, TIMES),
      sleep(20).then(() =>
        withLock(
          folder,
          () => Promise.resolve('after it'),
          () => Promise.resolve('meanwhile'),
          TIMES,
        ),
      ),
    ]);
    expect([first, second]).toEqual(['by itself', 'meanwhile']);
  });

  it('is given back by work that fails', async () => {
    const folder = temporaryFolder();
    await expect(withLock(folder, () => Promise.reject(new Error('full')))).rejects.toThrow('full');
    expect(await lockOwner(folder)).toBeUndefined();
  });

  it('is taken at once from a process that is gone', async () => {
    const folder = temporaryFolder();
    leaveLock(folder, { host: thisHost(), pid: NO_PROCESS });
    let waited = 0;
    await withLock(
      folder,
      () => Promise.resolve(),
      () => Promise.resolve(void waited++),
      { ...TIMES, staleMs: 1e9 },
    );
    expect(waited).toBe(0);
  });

  it('is taken by one of many only', async () => {
    const folder = temporaryFolder();
    leaveLock(folder, { host: thisHost(), pid: NO_PROCESS });
    let working = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++working);
      await sleep(5);
      working--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(folder, work, undefined, TIMES)));
    expect(most).toBe(1);
  });

  it('is taken from another machine when that gives no sign of life', async () => {
    const folder = temporaryFolder();
    leaveLock(folder, { host: 'another', pid: process.pid });
    let waited = 0;
    await withLock(
      folder,
      () => Promise.resolve(),
      () => Promise.resolve(void waited++),
      TIMES,
    );
    expect(waited).toBeGreaterThan(1);
  });

  it('is not taken from one that works for longer than that', async () => {
    const folder = temporaryFolder();
    const events: string[] = [];
    const long = withLock(
      folder,
      async () => {
        await sleep(500);
        events.push('first');
      },
      undefined,
      TIMES,
    );
    await sleep(20);
    await withLock(folder, () => Promise.resolve(events.push('second')), undefined, TIMES);
    await long;
    expect(events).toEqual(['first', 'second']);
  });

  it('is not given back for another who has it by now', async () => {
    const folder = temporaryFolder();
    const path = join(folder, '.resident', 'lock');
    await withLock(folder, () => Promise.resolve(leaveLock(folder, { host: 'another', pid: 1 })));
    expect(readFileSync(path, 'utf8')).toContain('another');
  });

  it('a file that says nothing is waited for like an owner who does not answer', async () => {
    const folder = temporaryFolder();
    writeFileSync(leaveLock(folder, { host: '', pid: 1 }), '');
    await expect(withLock(folder, () => Promise.resolve(1), undefined, TIMES)).resolves.toBe(1);
  });
});

describe('lockOwner', () => {
  it('tells who has it, while it is had', async () => {
    const folder = temporaryFolder();
    await withLock(folder, async () => {
      expect(await lockOwner(folder)).toMatchObject({ pid: process.pid });
    });
    expect(await lockOwner(folder)).toBeUndefined();
  });

  it('does not count who is gone', async () => {
    const folder = temporaryFolder();
    leaveLock(folder, { host: thisHost(), pid: NO_PROCESS });
    expect(await lockOwner(folder)).toBeUndefined();
  });
});
