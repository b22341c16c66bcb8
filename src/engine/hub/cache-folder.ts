import { open, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { ConcreteDtype } from '../types.js';
import { hasSize, type RepositoryFile } from './file-identity.js';
import type { HubSource } from './hub-source.js';
import type { Listing } from './listing.js';
import { filesIn } from './local-files.js';
import { isWeightsOf, weightsAmong } from './needed-files.js';

/** Inside a model's folder: what this program knows of it. */
export const NOTES = '.resident';

const manifestSchema = z.object({
  id: z.string(),
  revision: z.string(),
  commit: z.string().optional(),
  endpoint: z.string(),
  /** What the hub has, when it was last asked. */
  files: z.array(z.object({ path: z.string(), size: z.number(), identity: z.string() })),
  /** The files that were fetched, with what was checked when they were. */
  verified: z.record(z.string(), z.string()),
});

/** What is known of a model in the cache. */
export type Manifest = Readonly<z.output<typeof manifestSchema>>;

/**
 * Where a model is kept: `<cacheDir>/owner/name`, and `owner/name@revision` for another revision than main. Deleting that folder deletes
 * the model, and nothing else.
 */
export function folderOf(cacheDir: string, { id, revision }: HubSource): string {
  if (revision === 'main') return join(cacheDir, id);
  const folder = join(cacheDir, `${id}@${encodeURIComponent(revision)}`);
  // where Transformers.js keeps them
  const former = join(cacheDir, id, revision);
  return !existsSync(folder) && existsSync(join(former, 'tokenizer.json')) ? former : folder;
}

/** A file of the model, on this disk. */
export function pathOf(folder: string, { path }: Pick<RepositoryFile, 'path'>): string {
  return join(folder, ...path.split('/'));
}

/** undefined: there is none, or it can't be read. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    const text = await readFile(join(folder, NOTES, 'manifest.json'), 'utf8');
    return manifestSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Whole or not at all. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const path = join(folder, NOTES, 'manifest.json');
  await mkdir(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  try {
    await writeFile(unfinished, `${JSON.stringify(manifest, null, 1)}\n`, { flush: true });
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** With what the hub says now: what was checked counts on where the file is the same. */
export function updated(
  former: Manifest | undefined,
  { source, endpoint, listing }: { source: HubSource; endpoint: string; listing: Listing },
): Manifest {
  const same = listing.files.filter(({ path, identity }) => former?.verified[path] === identity);
  return {
    ...source,
    endpoint,
    ...(listing.commit === undefined ? {} : { commit: listing.commit }),
    files: [...listing.files],
    verified: Object.fromEntries(same.map(({ path, identity }) => [path, identity])),
  };
}

/** Whether a file is there as it was when it was checked; by its size, because hashing gigabytes takes seconds at each start. */
export async function isFetched(folder: string, manifest: Manifest, file: RepositoryFile): Promise<boolean> {
  return manifest.verified[file.path] === file.identity && hasSize(pathOf(folder, file), file.size);
}

/** Those that are yet to be fetched. */
export async function missingFiles(
  folder: string,
  manifest: Manifest,
  files: readonly RepositoryFile[],
): Promise<RepositoryFile[]> {
  const there = await Promise.all(files.map((file) => isFetched(folder, manifest, file)));
  return files.filter((_, i) => !there[i]);
}

/** The weights that are complete in a model's folder, with their bytes. */
export async function fetchedWeights(
  folder: string,
  manifest: Manifest | undefined,
): Promise<ReadonlyMap<ConcreteDtype, number>> {
  if (!manifest) return weightsAmong(filesIn(folder));
  const fetched = new Map<ConcreteDtype, number>();
  for (const [dtype, bytes] of weightsAmong(manifest.files)) {
    const weights = manifest.files.filter(({ path }) => isWeightsOf(dtype, path));
    if ((await missingFiles(folder, manifest, weights)).length === 0) fetched.set(dtype, bytes);
  }
  return fetched;
}

/** So that a file renamed in it is there after a crash of the machine. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // not every system can: Windows refuses to open folders
  }
}
