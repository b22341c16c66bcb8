import { randomUUID } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { commitBatch, fileVersion, finishCommit } from '../batch-files.js';
import type { Batch } from '../batch-types.js';

/**
 * Writes the results of an input that lies in a folder to where they are to go, and moves the input if it is to be moved. Can be
 * done again after a kill at any moment.
 * @param results from their beginning, each time that it is called
 * @returns undefined: done; else what the input has become meanwhile: nothing was delivered, its results aren't the input's
 */
export async function deliver(
  { input, ending, delivery }: Batch,
  results: () => AsyncIterable<Buffer>,
): Promise<{ readonly version: string } | undefined> {
  if (input.kind !== 'path' || delivery === null) throw new Error('only an input in a folder is delivered');
  const { path, version } = input;
  if (await finishCommit(path, version, delivery)) return readThrough(results());
  // of its own: a worker that stood still until its lease ran out may go on writing to another one
  const temporary = `${delivery.temporary}-${randomUUID()}`;
  await writeSynced(temporary, results());
  if ((await commitBatch(path, version, temporary, delivery)) === 'committed') return undefined;
  const changed = { version: await fileVersion(path) };
  if (ending === 'completed') return changed;
  // what is answered is delivered whatever has become of the input, and that stays where it is
  await writeSynced(temporary, results());
  await commitBatch(path, changed.version, temporary, { ...delivery, done: null });
  return undefined;
}

/** Replaces what is there; the bytes are on the disk when it resolves. */
async function writeSynced(path: string, source: AsyncIterable<Buffer>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'w');
  try {
    for await (const part of source) await file.writeFile(part);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** For who counts what it reads. */
async function readThrough(source: AsyncIterable<Buffer>): Promise<undefined> {
  for await (const _ of source);
  return undefined;
}
