import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Batch, Delivery } from '../../batch/batch-types.js';
import type { FilesService } from '../../batch/files.service.js';
import { UsageError } from '../usage-error.js';

/** Where the results of a file go that doesn't come from the inbox. */
export function deliveryTo(output: string): Delivery {
  const results = resolve(output);
  refuseExisting(results);
  const hidden = join(dirname(results), `.${basename(results)}`);
  return { temporary: `${hidden}.tmp`, complete: `${hidden}.complete`, results, done: null };
}

export function refuseExisting(path: string): void {
  if (existsSync(path))
    throw new UsageError(`${path} is there already. Remove it, or name another --output.`);
  if (!existsSync(dirname(path)))
    throw new UsageError(`There is no folder ${dirname(path)}. Make it, or name another --output.`);
}

/**
 * Copies what a batch of OpenAI's format has answered out of the file store: the output to `output`, the failures beside it.
 * @returns the paths of what there is
 */
export async function copyResults(
  files: FilesService,
  { outputFileId, errorFileId }: Pick<Batch, 'outputFileId' | 'errorFileId'>,
  output: string,
): Promise<string[]> {
  const copies = [
    [outputFileId, output],
    [errorFileId, errorsBeside(output)],
  ] as const;
  const copied: string[] = [];
  await mkdir(dirname(output), { recursive: true });
  for (const [id, path] of copies) {
    if (id === null) continue;
    await copy(files, id, path);
    copied.push(path);
  }
  return copied;
}

/** A name in a folder that nothing has yet, e.g. `night-2.output.jsonl`. */
export function freeOutput(folder: string, input: string): string {
  const stem = basename(input).replace(/\.jsonl(\.gz)?$/, '');
  for (let number = 1; ; number++) {
    const path = join(folder, `${number === 1 ? stem : `${stem}-${number}`}.output.jsonl`);
    if (!existsSync(path) && !existsSync(errorsBeside(path))) return path;
  }
}

/** `night.errors.jsonl` of `night.output.jsonl`, or of `night.jsonl`. */
function errorsBeside(output: string): string {
  return `${output.replace(/(\.output)?\.jsonl$/, '')}.errors.jsonl`;
}

async function copy(files: FilesService, id: string, path: string): Promise<void> {
  const partial = `${path}.partial`;
  try {
    const { stream } = await files.content(id);
    await pipeline(stream, createWriteStream(partial));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
