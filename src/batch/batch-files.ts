import { existsSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { BatchModuleOptions } from './batch-options.interface.js';

const INPUT = '.jsonl';
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
  readonly temporary: string;
  readonly results: string;
  /** Undefined for a file that isn't in the inbox: it stays where it is. */
  readonly done: string | undefined;
}

/**
 * A name that was used before gets a number, so that nothing is overwritten. For a file of the inbox that means a name
 * in `done`: results without it are those of a run that was interrupted before the input was moved, and are made anew.
 */
export function choosePaths(input: string, { inbox, outbox, done }: BatchModuleOptions): BatchPaths {
  const stem = basename(input, INPUT);
  const fromInbox = dirname(input) === inbox;
  for (let number = 1; ; number++) {
    const name = number === 1 ? stem : `${stem}-${number}`;
    const results = join(outbox, `${name}.results.jsonl`);
    const moved = join(done, `${name}${INPUT}`);
    if (existsSync(moved) || (!fromInbox && existsSync(results))) continue;
    const temporary = join(outbox, `.${name}.results.jsonl.${process.pid}.tmp`);
    return { temporary, results, done: fromInbox ? moved : undefined };
  }
}

/** Gives complete results their name and moves the input, in this order: a kill in between repeats the file, it loses nothing. */
export async function commitBatch(input: string, { temporary, results, done }: BatchPaths): Promise<void> {
  await rename(temporary, results);
  await syncFolder(dirname(results));
  if (done !== undefined) await move(input, done);
}

/** Temporary results of processes that are gone. */
export async function removeStaleResults({ outbox }: BatchModuleOptions): Promise<void> {
  for (const name of await readdir(outbox)) {
    const pid = /^\..*\.results\.jsonl\.(\d+)\.tmp$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(outbox, name), { force: true });
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
