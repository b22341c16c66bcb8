// Preloaded by the npm scripts (`node --import`): compiles src/ to dist/ if it changed since the last time, bundles dist/ if it
// was compiled since the last time, then lets the program start in the same process. A `prestart` script would not run (.npmrc:
// ignore-scripts), and `build && node ...` leaves a shell between npm and the server that keeps signals from it.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { lockHash } from './lock-hash.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const COMPILED = 'dist/.tsbuildinfo';
const BUNDLED = 'dist/.bundled';

/** When a file changed last, in milliseconds; one that isn't there never did. */
function changed(name) {
  return statSync(root + name, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** @param made a file that is newer than all that it was made from, or made anew */
function isStale(made, sources) {
  const time = changed(made);
  return sources.some((name) => changed(name) > time);
}

function run(doing, program, ...args) {
  process.stderr.write(`${doing} ...\n`);
  try {
    const path = createRequire(`${root}package.json`).resolve(program);
    execFileSync(process.execPath, [path, ...args], { cwd: root, stdio: 'inherit' });
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND')
      process.stderr.write(`resident: dist/ must be built, and ${program} isn't there: run npm ci first.\n`);
    // what was run has said why it failed
    else if (error.status === undefined) throw error;
    process.exit(1);
  }
}

/** An installed package or an image may have no sources: then what is built is what there is. */
if (changed('src') > 0) {
  const names = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' });
  const sources = [
    ...names.map((name) => `src/${name}`),
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
  ];
  if (isStale(COMPILED, sources)) run('compiling', '@nestjs/cli/bin/nest.js', 'build');
  const isOld = isStale(BUNDLED, [COMPILED, 'scripts/bundle.mjs', 'scripts/bundle-dist.mjs']);
  if (isOld || JSON.parse(readFileSync(root + BUNDLED, 'utf8')).lock !== lockHash(root))
    run('bundling', './scripts/bundle-dist.mjs');
}
