import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pathOf, syncFolder } from './cache-folder.js';
import { identityOfEtag, isFile, sizeOf, type RepositoryFile } from './file-identity.js';
import { whyBroken, type HubAnswer, type HubClient } from './hub-client.js';
import { PassingFailure, corruptDownload } from './hub-errors.js';

/** Where a download goes until it is complete and checked. Another version of the file has another name: it is never gone on with. */
export function incompletePath(folder: string, file: RepositoryFile): string {
  const version = Buffer.from(file.identity).toString('base64url').slice(-12);
  return `${pathOf(folder, file)}.${version}.incomplete`;
}

export interface FileDownload {
  readonly client: HubClient;
  readonly folder: string;
  readonly file: RepositoryFile;
  /** A commit, where it is known: then nothing changes meanwhile. */
  readonly revision: string;
  /** Bytes of it that are on the disk; fewer than before when it begins anew. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Fetches one file, goes on with what an earlier try left, and checks size and hash. `putInPlace` gives it its name.
 * @throws ModelLoadError `model_corrupt` if it is wrong twice, `hub_unreachable` when it is given up; an error of the file system
 */
export async function downloadFile(download: FileDownload): Promise<void> {
  const { client, folder, file, revision } = download;
  const incomplete = incompletePath(folder, file);
  await mkdir(dirname(incomplete), { recursive: true });
  for (let tries = 1; ; tries++) {
    await client.persist(() => receive(download, incomplete));
    if (await isFile(incomplete, file)) return;
    await rm(incomplete, { force: true });
    if (tries === 2) throw corruptDownload(client.fileUrl(revision, file.path));
  }
}

/** Gives a file that has been downloaded its name, in place of a former version. */
export async function putInPlace(folder: string, file: RepositoryFile): Promise<void> {
  const target = pathOf(folder, file);
  await rename(incompletePath(folder, file), target);
  await syncFolder(dirname(target));
  await removeOthers(target);
}

/**
 * One request for what is still missing.
 * @throws PassingFailure if it ended early; what came is kept
 */
async function receive({ client, file, revision, onBytes }: FileDownload, incomplete: string): Promise<void> {
  const before = isResumable(file) ? ((await sizeOf(incomplete)) ?? 0) : 0;
  if (before === file.size && before > 0) return;
  // more than there should be: it is another file
  const offset = before > file.size ? 0 : before;
  const url = client.fileUrl(revision, file.path);
  const answer = await client.request(url, { headers: rangeHeaders(file, offset) });
  try {
    const from = whereItBegins(answer, { client, file, offset });
    if (from === undefined) {
      await rm(incomplete, { force: true });
      throw new PassingFailure(`${url} has no bytes from ${offset} on`);
    }
    const out = await open(incomplete, from === 0 ? 'w' : 'r+');
    try {
      await write(out, answer, { from, size: file.size, onBytes });
      await out.sync();
    } finally {
      await out.close();
    }
  } finally {
    answer.close();
  }
}

/** Whether what is here and what comes are known to be of one version: a weak ETag, or none, doesn't say. */
function isResumable({ identity }: RepositoryFile): boolean {
  return !identity.startsWith('etag:') || identity.startsWith('etag:"');
}

function rangeHeaders({ identity }: RepositoryFile, offset: number): Record<string, string> {
  if (offset === 0) return {};
  // where a hash is known it decides in the end; and the ETag of the host that has the content is another one
  const condition: Record<string, string> = identity.startsWith('etag:"')
    ? { 'if-range': identity.slice('etag:'.length) }
    : {};
  return { range: `bytes=${offset}-`, ...condition };
}

/**
 * The position of the first byte of the answer; undefined: the rest isn't to be had.
 * @throws ModelLoadError if the answer is no
 */
function whereItBegins(
  { response }: HubAnswer,
  { client, file, offset }: { client: HubClient; file: RepositoryFile; offset: number },
): number | undefined {
  const { status, headers } = response;
  if (status === 416) return undefined;
  if (status !== 200 && status !== 206) throw client.refusal(response);
  const etag = headers.get('etag');
  if (file.identity.startsWith('etag:') && etag !== null && identityOfEtag(etag) !== file.identity)
    throw new PassingFailure(`${file.path} has changed since it was listed`);
  if (status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
    const fits = Number(start) === offset && (total === '*' || Number(total) === file.size);
    return fits ? offset : undefined;
  }
  return 0;
}

/** @throws PassingFailure if there is less than there should be */
async function write(
  out: FileHandle,
  { response, alive }: HubAnswer,
  { from, size, onBytes }: { from: number; size: number; onBytes: (bytes: number) => void },
): Promise<void> {
  let at = from;
  onBytes(at);
  const body = (response.body ?? new Blob([]).stream()).getReader();
  while (at <= size) {
    const { done, value } = await body.read().catch((error: unknown) => {
      throw new PassingFailure(whyBroken(error), { received: at - from, cause: error });
    });
    if (done) break;
    alive();
    const chunk = value as Uint8Array;
    // of what is too long, one byte is enough to see it
    const piece = chunk.subarray(0, size + 1 - at);
    await writeAll(out, piece, at);
    at += piece.length;
    onBytes(Math.min(at, size));
  }
  if (at < size)
    throw new PassingFailure(`the connection ended after ${at} of ${size} bytes`, { received: at - from });
}

/** A disk that fills up takes a part first. */
async function writeAll(out: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await out.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

/** What is left of downloads of other versions. */
async function removeOthers(target: string): Promise<void> {
  const folder = dirname(target);
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${basename(target)}.`) && name.endsWith('.incomplete'))
      await rm(join(folder, name), { force: true });
  }
}
