import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Layers, from pure functions to killed processes. `npx vitest run --project unit` runs one of them. */
const layers = ['unit', 'controller', 'e2e', 'clients', 'chaos'] as const;

export default defineConfig({
  resolve: {
    alias: [
      // the copy that Node itself loads, and with it Nest and Apollo: a schema of one copy is foreign to the other
      { find: /^graphql$/, replacement: 'graphql/index.js' },
      // engines and their threads are the built programs, which start in half the time of those in src/ under a loader
      {
        find: /^\.\/(engine|thread)-entry\.js$/,
        replacement: fileURLToPath(new URL('test/support/built-entries.ts', import.meta.url)),
      },
    ],
  },
  test: {
    pool: 'forks',
    // files share processes: each would import the whole application anew, which takes longer than many of their tests
    isolate: false,
    // each engine takes the cores it finds: two files at once are already too many
    maxWorkers: 2,
    // engines, and what chaos starts and kills, are the built programs
    globalSetup: ['./test/support/build.ts'],
    projects: layers.map((name) => ({
      extends: true,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        testTimeout: name === 'unit' ? 20_000 : 60_000,
        hookTimeout: 60_000,
      },
    })),
  },
});
