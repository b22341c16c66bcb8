import { randomUUID } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { NOTES } from './cache-folder.js';

const ownerSchema = z.object({ token: z.string(), host: z.string(), pid: z.number().int().positive() });
/** Who works on a folder. */
export type LockOwner = Readonly<z.output<typeof ownerSchema>>;

/** Times of a lock, in milliseconds; tests have shorter ones. */
export interface LockTimes {
  /** How often the owner gives a sign of life. */
  readonly heartbeatMs: number;
  /** After so long without one it is taken from an owner that can't be asked, for example of another machine. */
  readonly staleMs: number;
  /** How often those who wait look. */
  readonly pollMs: number;
}

export const DEFAULT_LOCK_TIMES: LockTimes = { heartbeatMs: 2000, staleMs: 30_000, pollMs: 250 };
/** Two that take over a lock at the same moment both write it: the last one has it. In milliseconds. */
const SETTLE_MS = 50;

/**
 * Lets one process at a time work on a model's folder. The lock is a file with the owner's name: `.resident/lock`.
 * @param meanwhile is called again and again while another process has it; what it returns, if anything, makes the work needless
 * @throws an error of the file system if the folder can't be written to
 */
export async function withLock<T>(
  folder: string,
  work: () => Promise<T>,
  meanwhile: () => Promise<T | undefined> = () => Promise.resolve(undefined),
  times: LockTimes = DEFAULT_LOCK_TIMES,
): Promise<T> {
  const path = lockPath(folder);
  await mkdir(dirname(path), { recursive: true });
  const me: LockOwner = { token: randomUUID(), host: thisHost(), pid: process.pid };
  const waiting = new Staleness(times.staleMs);
  while (!(await acquire(path, me, waiting))) {
    const done = await meanwhile();
    if (done !== undefined) return done;
    // not all of them at the same moment
    await sleep(times.pollMs * (1 + Math.random() / 2));
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => undefined);
  }, times.heartbeatMs);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    // it may have been taken over while this process was stopped
    if ((await readLock(path))?.token === me.token) await rm(path, { force: true });
  }
}

/** Who has the lock of a folder at the moment, and lives. */
export async function lockOwner(
  folder: string,
  { staleMs }: Pick<LockTimes, 'staleMs'> = DEFAULT_LOCK_TIMES,
): Promise<LockOwner | undefined> {
  const path = lockPath(folder);
  const owner = await readLock(path);
  if (owner === undefined || isDead(owner)) return undefined;
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
  return Date.now() - mtimeMs < staleMs ? owner : undefined;
}

async function acquire(path: string, me: LockOwner, waiting: Staleness): Promise<boolean> {
  const text = JSON.stringify(me);
  try {
    await writeFile(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    // on a full disk there may be room for its name only
    if (syscall === 'write') await rm(path, { force: true });
    if (code !== 'EEXIST') throw error;
  }
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: undefined }));
  if (mtimeMs === undefined) return false; // it was just given back
  const owner = await readLock(path);
  if (!(owner && isDead(owner)) && !waiting.sees(`${owner?.token} ${mtimeMs}`)) return false;
  const mine = `${path}.${me.token}`;
  await writeFile(mine, text);
  if ((await readLock(path))?.token !== owner?.token) {
    await rm(mine, { force: true });
    return false;
  }
  await rename(mine, path);
  await sleep(SETTLE_MS);
  return (await readLock(path))?.token === me.token;
}

/** Tells by this process's own clock, which no file server disagrees with, how long nothing has changed. */
class Staleness {
  readonly #staleMs: number;
  #seen = '';
  #since = 0;

  constructor(staleMs: number) {
    this.#staleMs = staleMs;
  }

  /** @returns whether the same was seen for too long */
  sees(state: string): boolean {
    if (state !== this.#seen) {
      this.#seen = state;
      this.#since = performance.now();
    }
    return performance.now() - this.#since >= this.#staleMs;
  }
}

/** Certain: it ran here, and no process of that id does. */
export function isDead({ host, pid }: Pick<LockOwner, 'host' | 'pid'>): boolean {
  if (host !== thisHost()) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Where process ids mean the same as here: two containers may have one name, but each has its own ids. */
export function thisHost(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname(); // not Linux
  }
}

async function readLock(path: string): Promise<LockOwner | undefined> {
  try {
    return ownerSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

function lockPath(folder: string): string {
  return join(folder, NOTES, 'lock');
}
