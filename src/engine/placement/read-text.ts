import { readFileSync, readdirSync } from 'node:fs';

/** Of a small file of the system; undefined: it isn't there, or may not be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Names in a folder, in order; none where it isn't there, or may not be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}
