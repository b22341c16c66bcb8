import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** One version of a file of a repository, as the hub tells of it. */
export interface RepositoryFile {
  /** In the repository, with slashes: `onnx/model.onnx`. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /**
   * What tells it from other versions: `sha256:…` (files in LFS), `sha1:…` (the id of a Git blob; of some mirrors the hash of the
   * content itself), or `etag:…` where a mirror tells neither. The first two are checked against the content.
   */
  readonly identity: string;
}

/** The hub gives the hash of the content as ETag; a mirror may give anything. */
export function identityOfEtag(etag: string): string {
  const bare = etag.replace(/^W\//, '').replaceAll('"', '');
  if (/^[0-9a-f]{64}$/.test(bare)) return `sha256:${bare}`;
  if (/^[0-9a-f]{40}$/.test(bare)) return `sha1:${bare}`;
  return `etag:${etag}`;
}

/** Whether what lies there is this file: its size, and its content as far as the hub tells the hash. */
export async function isFile(path: string, { size, identity }: RepositoryFile): Promise<boolean> {
  if (!(await hasSize(path, size))) return false;
  const [kind, hex] = identity.split(':', 2);
  if (kind === 'etag') return true;
  const hashes =
    kind === 'sha256'
      ? [createHash('sha256')]
      : [createHash('sha1').update(`blob ${size}\0`), createHash('sha1')];
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }))
    for (const hash of hashes) hash.update(chunk as Buffer);
  return hashes.some((hash) => hash.digest('hex') === hex);
}

export async function hasSize(path: string, size: number): Promise<boolean> {
  return (await sizeOf(path)) === size;
}

/** In bytes; undefined: there is no such file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const stats = await stat(path);
    return stats.isFile() ? stats.size : undefined;
  } catch {
    return undefined;
  }
}
