import { existsSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { BatchModuleOptions } from './batch-options.interface.js';

const INPUT = '.jsonl';
const RESULTS = '.results.jsonl';
/** `.night.results.jsonl.complete`, `.night.results.jsonl.4711.tmp` */
const LEFTOVER = /^\.(.*)\.results\.jsonl\.(complete|\d+\.tmp)$/;
/** A file changed more recently than this may still be on its way in, in milliseconds. */
const SETTLE_MS = 1000;

export async function makeBatchFolders({ inbox, outbox, done }: BatchModuleOptions): Promise<void> {
  for (const folder of [inbox, outbox, done]) await mkdir(folder, { recursive: true });
}

/** The files in the inbox that are complete, by name. */
export async function inboxFiles({ inbox }: BatchModuleOptions): Promise<string[]> {
  const entries = await readdir(inbox, { withFileTypes: true });
  const names = entries.filter(
    (entry) => entry.isFile() && !entry.name.startsWith('.') && entry.name.endsWith(INPUT),
  );
  const paths = names.map(({ name }) => join(inbox, name)).toSorted();
  const settled = await Promise.all(
    paths.map(async (path) => Date.now() - (await stat(path)).mtimeMs >= SETTLE_MS),
  );
  return paths.filter((_, index) => settled[index]);
}

/** Where the results of one input go, and the input itself. */
export interface BatchPaths {
  /** While lines are written. */
  readonly temporary: string;
  /** Complete, until the input is moved. */
  readonly complete: string;
  readonly results: string;
  /** Undefined for a file that isn't in the inbox: it stays where it is. */
  readonly done: string | undefined;
}

/** A name that was used before gets a number, so that nothing is overwritten. */
export function choosePaths(input: string, { inbox, outbox, done }: BatchModuleOptions): BatchPaths {
  const stem = basename(input, INPUT);
  const fromInbox = dirname(input) === inbox;
  for (let number = 1; ; number++) {
    const name = number === 1 ? stem : `${stem}-${number}`;
    const results = join(outbox, `${name}${RESULTS}`);
    const moved = join(done, `${name}${INPUT}`);
    if (existsSync(moved) || existsSync(results)) continue;
    const complete = join(outbox, `.${name}${RESULTS}.complete`);
    const temporary = join(outbox, `.${name}${RESULTS}.${process.pid}.tmp`);
    return { temporary, complete, results, done: fromInbox ? moved : undefined };
  }
}

/**
 * Moves the input to `done` and gives complete results their name. The moved input says that the results are due: after a
 * kill in between `recoverOutbox` does the rest; after one before it the file is still in the inbox and runs again.
 */
export async function commitBatch(
  input: string,
  { temporary, complete, results, done }: BatchPaths,
): Promise<void> {
  if (done !== undefined) {
    await rename(temporary, complete);
    await syncFolder(dirname(complete));
    await move(input, done);
    await rename(complete, results);
  } else {
    await rename(temporary, results);
  }
  await syncFolder(dirname(results));
}

/** What processes that are gone left: results whose input was moved get their name, the rest is removed. */
export async function recoverOutbox({ outbox, done }: BatchModuleOptions): Promise<void> {
  for (const file of await readdir(outbox)) {
    const [, name, state] = LEFTOVER.exec(file) ?? [];
    if (name === undefined || state === undefined) continue;
    const path = join(outbox, file);
    if (state !== 'complete') {
      if (!isAlive(Number.parseInt(state, 10))) await rm(path, { force: true });
    } else if (existsSync(join(done, `${name}${INPUT}`))) {
      await rename(path, join(outbox, `${name}${RESULTS}`));
    } else {
      await rm(path, { force: true });
    }
  }
}

/** What tells that a file was written to. */
export async function fileVersion(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return `${size}@${mtimeMs}`;
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, to);
    await unlink(from);
  }
}

/** Makes a rename last through a power failure, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
