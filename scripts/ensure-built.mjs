// Preloaded by the npm scripts (`node --import`): compiles src/ to dist/ if it changed since the last time, then lets the
// program start in the same process. A `prestart` script would not run (.npmrc: ignore-scripts), and
// `build && node ...` leaves a shell between npm and the server that keeps signals from it.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = `${root}dist/.tsbuildinfo`;

/** An installed package or an image may have no sources: then what is built is what there is. */
function isStale() {
  if (!existsSync(`${root}src`)) return false;
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' }).map(
    (name) => `src/${name}`,
  );
  return [...sources, 'package.json', 'tsconfig.json', 'tsconfig.build.json'].some(
    (name) => statSync(root + name).mtimeMs > built,
  );
}

if (isStale()) {
  process.stderr.write('building ...\n');
  const nest = createRequire(import.meta.url).resolve('@nestjs/cli/bin/nest.js');
  try {
    execFileSync(process.execPath, [nest, 'build'], { cwd: root, stdio: 'inherit' });
  } catch {
    process.exit(1); // the compiler has said why
  }
}
