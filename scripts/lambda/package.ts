import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../bundle.mjs';
import { copyModels } from './model-files.js';

export type Architecture = 'x64' | 'arm64';

export interface PackageOptions {
  /** The folder to make; an earlier package in it goes. */
  readonly out: string;
  /** Of the functions it is for. */
  readonly architecture: Architecture;
  /** Whether its handler streams. */
  readonly streaming: boolean;
  /** A configuration file; default: none. */
  readonly config?: string | undefined;
}

export interface PackageReport {
  /** Of all files, unpacked, in bytes. */
  readonly bytes: number;
  /** Models whose files are in the package's cache folder. */
  readonly hubModels: readonly string[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Makes the deployment package of a function: bundled code, the native runtime of its platform, the models, and the caches that a
 * first start would fill. Starts it once, so that what comes out is known to work.
 * @throws Error if it doesn't start, or if there is something else in the folder
 */
export async function packageLambda(options: PackageOptions): Promise<PackageReport> {
  const { out, architecture, streaming, config } = options;
  makeEmpty(out);
  const dist = join(root, 'dist');
  await bundle(
    [join(dist, 'lambda/index.js'), join(dist, 'engine/tokenization/thread-main.js')],
    join(out, 'dist/lambda'),
  );
  cpSync(join(root, 'config'), join(out, 'config'), { recursive: true });
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n');
  const hubModels = copyModels(root, config, out);
  writeFileSync(join(out, 'handler.mjs'), handlerText(streaming));
  copyRuntime(out, `${process.platform}/${process.arch}`);
  startOnce(out);
  copyRuntime(out, `linux/${architecture}`);
  return { bytes: sizeOf(out), hubModels };
}

/** @throws Error rather than delete what isn't a package */
function makeEmpty(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  if (names.length > 0 && !['handler.mjs', 'resident.yaml'].every((name) => names.includes(name)))
    throw new Error(`${folder} is not empty, and no package of a function: name another folder with --out.`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

/** ONNX Runtime of one platform, e.g. `linux/x64`: those of all take 300 MB. */
function copyRuntime(out: string, platform: string): void {
  const require = createRequire(import.meta.url);
  const to = join(out, 'node_modules');
  rmSync(to, { recursive: true, force: true });
  const runtime = packageFolder(require.resolve('onnxruntime-node'));
  copyParts(runtime, join(to, 'onnxruntime-node'), ['package.json', 'dist', `bin/napi-v6/${platform}`]);
  const common = packageFolder(createRequire(join(runtime, 'package.json')).resolve('onnxruntime-common'));
  copyParts(common, join(to, 'onnxruntime-common'), ['package.json', 'dist/cjs', 'dist/esm']);
}

/** Without what only developers read. */
const filter = (path: string): boolean => !/\.(map|d\.ts)$/.test(path);

function copyParts(from: string, to: string, parts: readonly string[]): void {
  for (const part of parts) cpSync(join(from, part), join(to, part), { recursive: true, filter });
}

/** The folder under `node_modules` that a file of a package is in. */
function packageFolder(file: string): string {
  const parent = dirname(file);
  return parent.endsWith('node_modules') || dirname(parent).endsWith('node_modules')
    ? parent
    : packageFolder(parent);
}

function handlerText(streaming: boolean): string {
  const create = streaming ? 'createStreamingHandler' : 'createHandler';
  return [
    "import { fileURLToPath } from 'node:url';",
    `import { ${create} } from './dist/lambda/index.js';`,
    '',
    "process.env.RESIDENT_CONFIG ??= fileURLToPath(new URL('resident.yaml', import.meta.url));",
    '',
    `export const handler = ${create}();`,
    '// models are loaded while the environment is set up: before anybody waits, where environments are made in advance',
    'await handler.start();',
    '',
  ].join('\n');
}

/** Loads the models as the function will, and with that fills the cache folder: rewritten graphs, files of the hub. */
function startOnce(out: string): void {
  const program = [
    "import { createHandler } from './dist/lambda/index.js';",
    'const handler = createHandler();',
    'await handler.start().catch((error) => {',
    '  console.error(error.message);',
    '  process.exit(1);',
    '});',
    'await handler.close();',
  ].join('\n');
  const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: out,
    env: { ...process.env, RESIDENT_CONFIG: join(out, 'resident.yaml'), LOG_LEVEL: 'warn' },
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error(`The function in ${out} does not start. What it said is above.`);
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
}
