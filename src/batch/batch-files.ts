import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMissing } from '../storage/file-store.js';
import { syncFolder } from '../storage/folder-file-store.js';
import type { BatchModuleOptions } from './batch-options.interface.js';
import type { Delivery } from './batch-types.js';

export type BatchFolders = Pick<BatchModuleOptions, 'inbox' | 'outbox' | 'done'>;

/** Of inputs; the longest first. */
const INPUTS = ['.jsonl.gz', '.jsonl'] as const;
/** What the inbox takes. */
export const INPUT_PATTERN = INPUTS.map((end) => `*${end}`).join(',');
const RESULTS = '.results.jsonl';
/** `.night.results.jsonl.complete`, and whatever begins with `.night.results.jsonl.tmp` */
const LEFTOVER = /^\.(.*\.results\.jsonl)\.(complete|tmp.*)$/;
/** A file changed more recently than this may still be on its way in, in milliseconds. */
const SETTLE_MS = 1000;

export async function makeBatchFolders({ inbox, outbox, done }: BatchFolders): Promise<void> {
  for (const folder of [inbox, outbox, done]) await mkdir(folder, { recursive: true });
}

/**
 * The files in the inbox that are complete and whose names fit, by name.
 * @param pattern `*` is any text, `?` any character; several are separated by commas
 */
export async function inboxFiles(
  { inbox }: Pick<BatchFolders, 'inbox'>,
  pattern = INPUT_PATTERN,
): Promise<string[]> {
  const fits = patternTest(pattern);
  const entries = await readdir(inbox, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.') && fits(entry.name));
  const paths = names.map(({ name }) => join(inbox, name)).toSorted();
  const settled = await Promise.all(paths.map(isSettled));
  return paths.filter((_, index) => settled[index]);
}

/** False for one that is gone by now. */
async function isSettled(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs >= SETTLE_MS;
}

function patternTest(pattern: string): (name: string) => boolean {
  const alternatives = pattern.split(',').map((part) => {
    const escaped = part.trim().replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    return escaped.replaceAll('\\*', '.*').replaceAll('\\?', '.');
  });
  const expression = new RegExp(`^(?:${alternatives.join('|')})$`, 's');
  return (name) => expression.test(name);
}

/**
 * Where the results of one input go, and the input itself. A name that was used before gets a number, so that nothing is
 * overwritten.
 * @param taken results that unfinished batches are going to write
 */
export function choosePaths(
  input: string,
  { inbox, outbox, done }: BatchFolders,
  taken: ReadonlySet<string> = new Set(),
): Delivery {
  const end = INPUTS.find((known) => input.endsWith(known)) ?? '';
  const stem = basename(input, end);
  const fromInbox = dirname(input) === inbox;
  for (let number = 1; ; number++) {
    const name = number === 1 ? stem : `${stem}-${number}`;
    const results = join(outbox, `${name}${RESULTS}`);
    const moved = join(done, `${name}${end}`);
    if (existsSync(moved) || existsSync(results) || taken.has(results)) continue;
    const hidden = join(outbox, `.${name}${RESULTS}`);
    return {
      temporary: `${hidden}.tmp`,
      complete: `${hidden}.complete`,
      results,
      done: fromInbox ? moved : null,
    };
  }
}

/** What became of a commit. */
export type Commit =
  | 'committed'
  /** The input was written to meanwhile: nothing was changed. */
  | 'changed';

/**
 * Moves the input to `done` and gives complete results their name. A kill in between leaves what `finishCommit` goes on with;
 * after one before it all is as it was.
 * @param temporary the complete results, synced; gone afterwards
 * @param version of the input that they answer
 */
export async function commitBatch(
  input: string,
  version: string,
  temporary: string,
  { complete, results, done }: Pick<Delivery, 'complete' | 'results' | 'done'>,
): Promise<Commit> {
  if (done === null) {
    if (isOther(await versionOf(input), version)) {
      await rm(temporary, { force: true });
      return 'changed';
    }
    await rename(temporary, results);
  } else {
    await rename(temporary, complete);
    await syncFolder(dirname(complete));
    // as late as can be: whoever writes after this finds the file moved
    if (isOther(await versionOf(input), version)) {
      await rm(complete, { force: true });
      return 'changed';
    }
    await move(input, done);
    await rename(complete, results);
  }
  await syncFolder(dirname(results));
  return 'committed';
}

/**
 * Goes on with a commit that a killed process began: the moved input says that the results are due.
 * @returns whether there was one; false: `commitBatch` is still to come
 */
export async function finishCommit(
  input: string,
  version: string,
  { complete, results, done }: Pick<Delivery, 'complete' | 'results' | 'done'>,
): Promise<boolean> {
  if (done === null || !existsSync(done) || (await versionOf(input)) === version) return false;
  if (existsSync(complete)) {
    await rename(complete, results);
    await syncFolder(dirname(results));
  }
  return existsSync(results);
}

/**
 * Removes what killed processes left of results that nobody is going to write: hidden files only.
 * @param takenNow results that unfinished batches are going to write; asked for after the folder was read
 */
export async function cleanOutbox(
  { outbox }: Pick<BatchFolders, 'outbox'>,
  takenNow: () => Promise<ReadonlySet<string>>,
): Promise<void> {
  const leftovers = (await readdir(outbox)).filter((file) => LEFTOVER.test(file));
  if (leftovers.length === 0) return;
  const taken = await takenNow();
  for (const file of leftovers) {
    const results = join(outbox, LEFTOVER.exec(file)?.[1] ?? '');
    if (!taken.has(results)) await rm(join(outbox, file), { force: true });
  }
}

/** What tells that a file was written to. */
export async function fileVersion(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return `${size}@${mtimeMs}`;
}

/** Undefined for a file that isn't there. */
async function versionOf(path: string): Promise<string | undefined> {
  try {
    return await fileVersion(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** An input that somebody removed isn't another one: its results are delivered. */
function isOther(found: string | undefined, version: string): boolean {
  return found !== undefined && found !== version;
}

/** A kill in the middle leaves no part of the file under its new name. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (isMissing(error)) return;
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const part = join(dirname(to), `.${basename(to)}.part`);
    await copyFile(from, part);
    await rename(part, to);
    await rm(from, { force: true });
  }
}
