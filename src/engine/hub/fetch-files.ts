import { statfs } from 'node:fs/promises';
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
import { downloadFile, incompletePath } from './download-file.js';
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
    const manifest = await adoptFiles(request, updated(await readManifest(folder), about));
    await writeManifest(folder, manifest);
    return downloadMissing(request, manifest, progress);
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

async function downloadMissing(
  { client, source, folder, files }: FilesRequest,
  manifest: Manifest,
  progress: TransferProgress,
): Promise<Manifest> {
  const missing = await missingFiles(folder, manifest, files);
  for (const { path, size } of files)
    if (!missing.some((file) => file.path === path)) progress.set(path, size);
  for (const file of missing) progress.set(file.path, (await sizeOf(incompletePath(folder, file))) ?? 0);
  await checkSpace(folder, progress.missing);
  const verified = { ...manifest.verified };
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
    verified[file.path] = file.identity;
    await writeManifest(folder, { ...manifest, verified });
  }
  const last = missing.at(-1);
  if (last) progress.tell(last.path, true);
  return { ...manifest, verified };
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
