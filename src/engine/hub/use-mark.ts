import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { NOTES } from './cache-folder.js';
import { isDead, thisHost } from './cache-lock.js';

const userSchema = z.object({ host: z.string(), pid: z.number().int().positive() });
/** A process that has a model of the cache loaded. */
export type CacheUser = Readonly<z.output<typeof userSchema>>;

/**
 * Leaves word in a model's folder that this process has loaded it; its date is when the model was last used. Where nothing can be
 * written, nothing is.
 * @returns takes the word back; the end of the process does, too
 */
export function markUse(folder: string): () => void {
  // a process may have it loaded twice
  const mark = join(usersFolder(folder), `${process.pid}-${randomUUID()}`);
  const unmark = (): void => {
    process.off('exit', unmark);
    try {
      rmSync(mark, { force: true });
    } catch {
      // a cache that is read-only by now
    }
  };
  try {
    mkdirSync(usersFolder(folder), { recursive: true });
    removeMarksOfDead(folder);
    writeFileSync(mark, JSON.stringify({ host: thisHost(), pid: process.pid } satisfies CacheUser));
    process.on('exit', unmark);
    return unmark;
  } catch {
    return () => undefined;
  }
}

/** Who has the model loaded. Those of other machines can't be asked whether they still have. */
export function usersOf(folder: string): CacheUser[] {
  return marksIn(folder).flatMap(({ user }) => (isDead(user) ? [] : [user]));
}

/** What is killed leaves its mark: they would become ever more. */
function removeMarksOfDead(folder: string): void {
  for (const { path, user } of marksIn(folder)) if (isDead(user)) rmSync(path, { force: true });
}

function marksIn(folder: string): { path: string; user: CacheUser }[] {
  return namesIn(usersFolder(folder)).flatMap((name) => {
    const path = join(usersFolder(folder), name);
    try {
      return [{ path, user: userSchema.parse(JSON.parse(readFileSync(path, 'utf8'))) }];
    } catch {
      return []; // half written, or just taken back
    }
  });
}

/** When somebody last loaded or gave back the model; undefined: nobody has yet. */
export function lastUse(folder: string): Date | undefined {
  return statSync(usersFolder(folder), { throwIfNoEntry: false })?.mtime;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function usersFolder(folder: string): string {
  return join(folder, NOTES, 'used-by');
}
