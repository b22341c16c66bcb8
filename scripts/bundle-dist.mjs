// `npm run build`, after the compiler: the programs of dist/ once more, each folder with everything that it imports in few files.
// dist/server is what `npm start` and the commands run, dist/process the engine that they start: an installed library
// (`import … from 'resident'`) runs the compiled modules as they are.
import { existsSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './bundle.mjs';
import { lockHash } from './lock-hash.mjs';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const PROGRAMS = {
  server: ['main.js', 'cli/batch.js', 'cli/demo.js', 'cli/models.js'],
  // where `../process/main.js` is, seen from dist/server
  process: ['engine/process/main.js', 'engine/tokenization/thread-main.js'],
};

const begun = new Date();
const lock = lockHash(root);
const stamp = join(dist, '.bundled');
/** @type {Record<string, string[]>} */
const before = existsSync(stamp) ? (JSON.parse(readFileSync(stamp, 'utf8')).files ?? {}) : {};
const made = await Promise.all(
  Object.entries(PROGRAMS).map(async ([name, entries]) => {
    const folder = join(dist, name);
    const files = await bundle(
      entries.map((entry) => join(dist, entry)),
      folder,
      { sourceMaps: true },
    );
    // the last one's stay: a server that was started from them may import more; so does what another process is writing
    const kept = new Set([...files, ...(before[name] ?? [])]);
    for (const file of readdirSync(folder))
      if (/\.(c?js|map)$/.test(file) && !kept.has(file)) rmSync(join(folder, file), { force: true });
    return [name, files];
  }),
);
writeFileSync(stamp, JSON.stringify({ lock, files: Object.fromEntries(made) }));
// what is compiled meanwhile is newer
utimesSync(stamp, begun, begun);
