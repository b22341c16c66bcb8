import { defineConfig } from 'vitest/config';

/** Layers, from pure functions to killed processes. `npx vitest run --project unit` runs one of them. */
const layers = ['unit', 'controller', 'e2e', 'clients', 'chaos'] as const;
/** Their files share a process: each would import the whole application anew, which took longer than its tests. */
const SHARED: ReadonlySet<string> = new Set(['unit', 'controller']);

export default defineConfig({
  // the copy that Node itself loads, and with it Nest and Apollo: a schema of one copy is foreign to the other
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    pool: 'forks',
    // what a test's engine process inherits: it runs from src/, as the tests do
    execArgv: ['--import', 'tsx'],
    // each engine takes the cores it finds: two files at once are already too many
    maxWorkers: 2,
    // chaos starts and kills the built program
    globalSetup: ['./test/support/build.ts'],
    projects: layers.map((name) => ({
      extends: true,
      test: {
        name,
        isolate: !SHARED.has(name),
        include: [`test/${name}/**/*.test.ts`],
        testTimeout: name === 'unit' ? 20_000 : 60_000,
        hookTimeout: 60_000,
      },
    })),
  },
});
