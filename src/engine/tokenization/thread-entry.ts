import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The program of a tokenizer thread: the one beside this file, in the form this file has: compiled, or TypeScript under a loader. */
export function threadEntry(): URL {
  const here = import.meta.url;
  return new URL(`./thread-main${extname(fileURLToPath(here))}`, here);
}
