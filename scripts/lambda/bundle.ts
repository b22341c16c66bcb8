import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Of Nest, and not installed: it asks for them, and does without. */
const OPTIONAL = ['@nestjs/microservices', '@nestjs/websockets', 'class-transformer', 'class-validator'];
/** What has native parts stays a package, and with it what it shares with others. */
const NATIVE = ['onnxruntime-node', 'onnxruntime-common'];

/** What packages of CommonJS want, and ECMAScript modules don't have. */
const COMMONJS = `
import { createRequire as createRequireOf } from 'node:module';
import { dirname as dirnameOf } from 'node:path';
import { fileURLToPath as fileOf } from 'node:url';
const require = createRequireOf(import.meta.url);
const __filename = fileOf(import.meta.url);
const __dirname = dirnameOf(__filename);
`;

/**
 * Puts programs and everything that they import into one folder of few files: Node reads, resolves and links hundreds of small ones
 * for longer than their code takes to run.
 * @param entries compiled programs of `dist`; each keeps its name
 * @param folder two levels below the root of the package, as the folders of `dist` are: paths are relative to them
 */
export async function bundle(entries: readonly string[], folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  await build({
    entryPoints: [...entries],
    outdir: folder,
    entryNames: '[name]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // errors and logs tell the names of classes
    keepNames: true,
    banner: { js: COMMONJS },
    external: [...OPTIONAL, ...OPTIONAL.map((name) => `${name}/*`), ...NATIVE],
    // Transformers.js loads a library for images with the first import: 20 MB that no model of text needs
    alias: { sharp: join(import.meta.dirname, 'without-sharp.cjs') },
    logLevel: 'error',
  });
}
