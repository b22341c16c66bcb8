import { fileURLToPath } from 'node:url';

// Tests run engines as they are shipped: from dist/, without a loader for TypeScript, they start in half the time. This stands for
// `engine-entry.ts` and `thread-entry.ts` of src/engine, whose neighbours are TypeScript (vitest.config.ts).

export function engineEntry(): string {
  return fileURLToPath(new URL('../../dist/process/main.js', import.meta.url));
}

export function threadEntry(): URL {
  return new URL('../../dist/process/thread-main.js', import.meta.url);
}
