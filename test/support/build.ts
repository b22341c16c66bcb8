import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { bundle } from '../../scripts/bundle.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SCRIPTED_SERVER = 'test/support/scripted-server.mjs';

/** Before the first test, and before each run of those that are watched: engines and servers are the built programs. */
export async function setup(project: TestProject): Promise<void> {
  await build();
  project.onTestsRerun(build);
}

async function build(): Promise<void> {
  execFileSync(process.execPath, [`${root}scripts/ensure-built.mjs`], { stdio: 'inherit' });
  await buildScriptedServer();
}

/** The server over the scripted engine, as few files as what is shipped: chaos starts it often. Needs `dist`. */
export async function buildScriptedServer(): Promise<void> {
  const folder = `${root}build/test`;
  const built = changed(`${folder}/scripted-server.js`);
  if (built < changed(`${root}dist/.bundled`) || built < changed(root + SCRIPTED_SERVER))
    await bundle([root + SCRIPTED_SERVER], folder);
}

/** When a file was written, in milliseconds; one that isn't there never was. */
function changed(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
