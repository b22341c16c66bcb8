import type { Dirent } from 'node:fs';
import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InvalidRequestError } from '../errors.js';
import type { ConcreteDtype } from '../types.js';
import { NOTES, fetchedWeights, pathOf, readManifest } from './cache-folder.js';
import { lockOwner } from './cache-lock.js';
import { isFile, sizeOf } from './file-identity.js';
import { hubId, type HubSource } from './hub-source.js';
import { REQUIRED_FILES } from './needed-files.js';
import { lastUse, usersOf } from './use-mark.js';

/** A model in the cache. */
export interface CachedModel {
  readonly source: HubSource;
  readonly folder: string;
  /** All that it takes up. */
  readonly bytes: number;
  /** Those whose weights are complete. */
  readonly dtypes: readonly ConcreteDtype[];
  /** undefined: not known. */
  readonly commit: string | undefined;
  /** When a process last loaded or gave it back; undefined: none has, that left word. */
  readonly lastUsed: Date | undefined;
}

/** What is in a cache folder, in the order of names. A folder that isn't there is an empty cache. */
export async function listCache(cacheDir: string): Promise<CachedModel[]> {
  const models: CachedModel[] = [];
  for (const owner of await foldersIn(cacheDir)) {
    for (const name of await foldersIn(join(cacheDir, owner))) {
      const folder = join(cacheDir, owner, name);
      if (await isModel(folder)) models.push(await describe(folder, sourceOf(owner, name)));
    }
  }
  return models;
}

/** What `verifyCached` found. */
export interface Verification {
  /** Files that were fetched, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Paths of those that aren't what the hub describes. */
  readonly damaged: readonly string[];
  /** Paths of what every load needs, and wasn't fetched yet. */
  readonly missing: readonly string[];
}

/**
 * Reads every file of a model that was fetched, and compares it with what the hub said of it.
 * @returns undefined: another program has fetched it, and nothing is known of its files
 */
export async function verifyCached(folder: string): Promise<Verification | undefined> {
  const manifest = await readManifest(folder);
  if (!manifest) return undefined;
  const fetched = manifest.files.filter(({ path, identity }) => manifest.verified[path] === identity);
  const damaged: string[] = [];
  for (const file of fetched) if (!(await isFile(pathOf(folder, file), file))) damaged.push(file.path);
  const paths = new Set(fetched.map(({ path }) => path));
  return {
    files: fetched.length,
    bytes: fetched.reduce((sum, { size }) => sum + size, 0),
    damaged,
    missing: REQUIRED_FILES.filter((path) => !paths.has(path)),
  };
}

/**
 * Deletes a model from the cache.
 * @param force also if a process of another machine seems to use it
 * @throws InvalidRequestError `conflict` if a process downloads it or has it loaded
 */
export async function removeCached(
  source: HubSource,
  folder: string,
  { force = false }: { force?: boolean } = {},
): Promise<void> {
  const owner = await lockOwner(folder);
  if (owner && !force) throw inUse(source, `process ${owner.pid} on ${owner.host} downloads it`);
  const [user] = usersOf(folder);
  if (user && !force) throw inUse(source, `process ${user.pid} on ${user.host} has it loaded`);
  await rm(folder, { recursive: true, force: true });
  // not empty: other models of the same owner
  await rmdir(dirname(folder)).catch(() => undefined);
}

function inUse(source: HubSource, why: string): InvalidRequestError {
  return new InvalidRequestError(
    'conflict',
    `${hubId(source)} is in use: ${why}. Stop it first, or add --force if that process is gone.`,
  );
}

async function describe(folder: string, source: HubSource): Promise<CachedModel> {
  const manifest = await readManifest(folder);
  return {
    source,
    folder,
    bytes: await bytesOf(folder),
    dtypes: [...(await fetchedWeights(folder, manifest)).keys()],
    commit: manifest?.commit,
    lastUsed: lastUse(folder),
  };
}

function sourceOf(owner: string, name: string): HubSource {
  const [bare = '', revision = 'main'] = name.split('@', 2);
  return { id: `${owner}/${bare}`, revision: decoded(revision) };
}

/** Folders made by hand may have any name. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Rewritten graphs, for example, are none. */
async function isModel(folder: string): Promise<boolean> {
  const known = [join(NOTES, 'manifest.json'), 'config.json'].map((name) => sizeOf(join(folder, name)));
  return (await Promise.all(known)).some((size) => size !== undefined);
}

async function bytesOf(folder: string): Promise<number> {
  const entries = await entriesOf(folder, true);
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map(
      async ({ parentPath, name }) => (await stat(join(parentPath, name)).catch(() => ({ size: 0 }))).size,
    );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await entriesOf(folder, false);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .toSorted();
}

async function entriesOf(folder: string, recursive: boolean): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true, recursive }).catch(() => []);
}
