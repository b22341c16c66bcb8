import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface LocalFile {
  /** Relative to the folder, with slashes. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

/** The files of a model's folder: its own and those of its direct subfolders. Nothing, if it can't be read. */
export function filesIn(folder: string): LocalFile[] {
  return entries(folder).flatMap((entry) => {
    if (!entry.isDirectory()) return fileAt(folder, entry.name);
    return entries(join(folder, entry.name)).flatMap(({ name }) => fileAt(folder, `${entry.name}/${name}`));
  });
}

function entries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** Links count as what they lead to. */
function fileAt(folder: string, path: string): LocalFile[] {
  const stats = statSync(join(folder, path), { throwIfNoEntry: false });
  return stats?.isFile() ? [{ path, size: stats.size }] : [];
}
