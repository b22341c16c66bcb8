import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

/** What packages ask for and do without: not installed. */
const OPTIONAL = [
  '@apollo/gateway',
  '@apollo/subgraph',
  '@as-integrations/fastify',
  '@nestjs/microservices',
  '@nestjs/platform-fastify',
  '@nestjs/websockets',
  'class-transformer',
  'class-validator',
  'pg-native',
  'ts-morph',
];
/** What has native parts stays a package, and with it what it shares with others. */
const NATIVE = ['libsql', 'onnxruntime-node', 'onnxruntime-common'];

/** What packages of CommonJS want, and ECMAScript modules don't have. */
const COMMONJS = `
import { createRequire as createRequireOf } from 'node:module';
import { dirname as dirnameOf } from 'node:path';
import { fileURLToPath as fileOf } from 'node:url';
const require = createRequireOf(import.meta.url);
const __filename = fileOf(import.meta.url);
const __dirname = dirnameOf(__filename);
`;

/** Maps of packages cost more to read, at each start, than those of our own code: what comes from a package says which file it was. */
const withoutPackageMaps = {
  name: 'without-package-maps',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, ({ path }) => {
      const map = JSON.stringify({ version: 3, sources: [basename(path)], mappings: 'AAAA' });
      const url = `data:application/json;base64,${Buffer.from(map).toString('base64')}`;
      return { contents: `${readFileSync(path, 'utf8')}\n//# sourceMappingURL=${url}`, loader: 'js' };
    });
  },
};

/** Imported for its effect, before everything else: in a chunk of a bundle it would run when its turn comes. */
const reflectMetadata = {
  name: 'reflect-metadata',
  setup({ onResolve }) {
    onResolve({ filter: /^reflect-metadata$/ }, () => ({ path: './reflect-metadata.cjs', external: true }));
  },
};

/**
 * Puts programs and everything that they import into one folder of few files: Node reads, resolves and links hundreds of small ones
 * for longer than their code takes to run.
 * @param {readonly string[]} entries compiled programs of `dist`; each keeps its name
 * @param {string} folder two levels below the root of the package, as the folders of `dist` are: paths are relative to them. What is
 * in it and isn't replaced stays: a program that runs may still import it
 * @param {{ sourceMaps?: boolean }} options source maps lead to where the maps of `dist` lead; default: none
 * @returns {Promise<string[]>} the files' names
 */
export async function bundle(entries, folder, { sourceMaps = false } = {}) {
  const { outputFiles } = await build({
    entryPoints: [...entries],
    outdir: folder,
    entryNames: '[name]',
    bundle: true,
    write: false,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // errors and logs tell the names of classes
    keepNames: true,
    // a third less to read and compile, where maps lead back from it; an error may show its line, so lines stay short
    minifyWhitespace: sourceMaps,
    minifySyntax: sourceMaps,
    lineLimit: 160,
    sourcemap: sourceMaps,
    sourcesContent: false,
    banner: { js: COMMONJS },
    plugins: [reflectMetadata, ...(sourceMaps ? [withoutPackageMaps] : [])],
    external: [...OPTIONAL, ...OPTIONAL.map((name) => `${name}/*`), ...NATIVE],
    // Transformers.js loads a library for images with the first import: 20 MB that no model of text needs
    alias: { sharp: join(import.meta.dirname, 'without-sharp.cjs') },
    logLevel: 'error',
  });
  mkdirSync(folder, { recursive: true });
  const reflect = createRequire(import.meta.url).resolve('reflect-metadata');
  const files = [
    { path: join(folder, 'reflect-metadata.cjs'), contents: readFileSync(reflect) },
    ...outputFiles,
    // programs last: what they import is there by then
  ].toSorted((a, b) => Number(isProgram(a.path)) - Number(isProgram(b.path)));
  for (const { path, contents } of files) {
    // whoever starts the program meanwhile reads the old file or the new one
    writeFileSync(`${path}.${process.pid}`, contents);
    renameSync(`${path}.${process.pid}`, path);
  }
  return files.map(({ path }) => basename(path));

  /** @param {string} path */
  function isProgram(path) {
    return entries.some((entry) => basename(entry) === basename(path));
  }
}
