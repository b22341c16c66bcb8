import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Path of the engine's program: the one of this folder's neighbour, in the form this file has: compiled, or TypeScript under a loader. */
export function engineEntry(): string {
  const here = import.meta.url;
  return fileURLToPath(new URL(`../process/main${extname(fileURLToPath(here))}`, here));
}
