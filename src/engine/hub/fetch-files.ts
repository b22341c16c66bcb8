import { rm, statfs } from 'node:fs/promises';
import type { LoadProgress } from '../types.js';
import {
  isFetched,
  missingFiles,
  pathOf,
  readManifest,
  updated,
  writeManifest,
  type Manifest,
} from './cache-folder.js';
import { DEFAULT_LOCK_TIMES, withLock, type LockTimes } from './cache-lock.js';
import { downloadFile, incompletePath, putInPlace } from './download-file.js';
import { isFile, sizeOf, type RepositoryFile } from './file-identity.js';
import type { HubClient } from './hub-client.js';
import { diskFull, explainDisk } from './hub-errors.js';
import type { HubSource } from './hub-source.js';
import type { Listing } from './listing.js';
import { TransferProgress } from './transfer-progress.js';

export interface FilesRequest {
  readonly client: HubClient;
  readonly source: HubSource;
  readonly folder: string;
  readonly listing: Listing;
  /** Those of the listing that are to be there. */
  readonly files: readonly RepositoryFile[];
  /** Whether the content of what is there already is checked again. */
  readonly recheck?: boolean;
  readonly onProgress: (progress: LoadProgress) => void;
  readonly lockTimes?: LockTimes | undefined;
}

/**
 * Makes sure that files of one revision are in a model's folder, complete and checked. Of several processes one downloads; the others
 * wait, and tell how far it is.
 * @returns what is in the folder then
 * @throws ModelLoadError
 */
export async function fetchFiles(request: FilesRequest): Promise<Manifest> {
  const { client, source, folder, listing, files, onProgress, lockTimes = DEFAULT_LOCK_TIMES } = request;
  const about = { source, endpoint: client.endpoint, listing };
  const progress = new TransferProgress(
    files.reduce((sum, { size }) => sum + size, 0),
    onProgress,
  );
  /** Nothing to do: then a cache that can't be written to is good enough. */
  const complete = async (): Promise<Manifest | undefined> => {
    const known = await readManifest(folder);
    if (!known || known.commit !== listing.commit) return undefined;
    const manifest = updated(known, about);
    return (await missingFiles(folder, manifest, files)).length === 0 ? manifest : undefined;
  };
  const work = async (): Promise<Manifest> => {
    const former = await readManifest(folder);
    const manifest = await adoptFiles(request, updated(former, about));
    if (former) await forgetDamaged(folder, former, manifest, files);
    const missing = await downloadMissing(request, manifest, progress);
    return exchange(folder, { former, manifest, missing });
  };
  const meanwhile = async (): Promise<Manifest | undefined> => {
    await tellOfOthers(request, progress);
    return complete();
  };
  try {
    return (
      (request.recheck ? undefined : await complete()) ?? (await withLock(folder, work, meanwhile, lockTimes))
    );
  } catch (error) {
    throw explainDisk(error, { folder, needed: progress.missing });
  }
}

/** Takes in what lies there already: from an earlier program, or copied by hand. */
async function adoptFiles(
  { folder, files, recheck = false }: FilesRequest,
  manifest: Manifest,
): Promise<Manifest> {
  const verified = { ...manifest.verified };
  for (const file of files) {
    if (!recheck && (await isFetched(folder, manifest, file))) continue;
    if (await isFile(pathOf(folder, file), file)) verified[file.path] = file.identity;
    else delete verified[file.path];
  }
  return { ...manifest, verified };
}

/** What was checked once and isn't the same any more is not to be loaded, even if it can't be fetched now. */
async function forgetDamaged(
  folder: string,
  former: Manifest,
  { verified }: Manifest,
  files: readonly RepositoryFile[],
): Promise<void> {
  const damaged = files.filter(
    ({ path, identity }) => former.verified[path] === identity && verified[path] === undefined,
  );
  if (damaged.length === 0) return;
  const sound = Object.entries(former.verified).filter(
    ([path]) => !damaged.some((file) => file.path === path),
  );
  await writeManifest(folder, { ...former, verified: Object.fromEntries(sound) });
}

/** @returns what has been downloaded, and hasn't its name yet */
async function downloadMissing(
  { client, source, folder, files }: FilesRequest,
  manifest: Manifest,
  progress: TransferProgress,
): Promise<RepositoryFile[]> {
  const missing = await missingFiles(folder, manifest, files);
  for (const { path, size } of files)
    if (!missing.some((file) => file.path === path)) progress.set(path, size);
  for (const file of missing) progress.set(file.path, (await sizeOf(incompletePath(folder, file))) ?? 0);
  await checkSpace(folder, progress.missing);
  for (const file of missing) {
    progress.tell(file.path, true);
    await downloadFile({
      client,
      folder,
      file,
      revision: manifest.commit ?? source.revision,
      onBytes: (bytes) => {
        progress.set(file.path, bytes);
        progress.tell(file.path);
      },
    });
    progress.set(file.path, file.size);
  }
  const last = missing.at(-1);
  if (last) progress.tell(last.path, true);
  return missing;
}

/**
 * Puts a revision in the place of another, once all of it is there: a download that breaks off leaves what was complete. A crash in
 * between leaves a model that says what it lacks.
 * @param missing what has been downloaded of it
 * @returns what is in the folder then
 */
async function exchange(
  folder: string,
  {
    former,
    manifest,
    missing,
  }: { former: Manifest | undefined; manifest: Manifest; missing: readonly RepositoryFile[] },
): Promise<Manifest> {
  await writeManifest(folder, manifest);
  if (former && former.commit !== manifest.commit) await removeGone(folder, former, manifest);
  for (const file of missing) await putInPlace(folder, file);
  const fetched = missing.map(({ path, identity }) => [path, identity]);
  const complete = { ...manifest, verified: { ...manifest.verified, ...Object.fromEntries(fetched) } };
  await writeManifest(folder, complete);
  return complete;
}

/** Files that the revision hasn't any more: a chat template, for example, would be read as if it were its own. */
async function removeGone(folder: string, former: Manifest, { files }: Manifest): Promise<void> {
  const there = new Set(files.map(({ path }) => path));
  for (const path of Object.keys(former.verified))
    if (!there.has(path)) await rm(pathOf(folder, { path }), { force: true });
}

/** @throws ModelLoadError `disk_full` before anything is downloaded in vain */
async function checkSpace(folder: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const available = bavail * bsize;
  if (needed > available) throw diskFull({ folder, needed, available });
}

/** Another process downloads: the sizes of its files say how far it is. */
async function tellOfOthers({ folder, files }: FilesRequest, progress: TransferProgress): Promise<void> {
  let current = files[0]?.path ?? '';
  for (const file of files) {
    const partial = await sizeOf(incompletePath(folder, file));
    if (partial !== undefined) current = file.path;
    const whole = (await sizeOf(pathOf(folder, file))) === file.size;
    progress.set(file.path, partial ?? (whole ? file.size : 0));
  }
  progress.tell(current);
}
