import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from '../../scripts/bundle.mjs';
import { packageLambda } from '../../scripts/lambda/package.js';

export interface Subject {
  readonly name: string;
  /** URL of the module that exports `handler`. */
  readonly entry: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Default: this process's. */
  readonly cwd?: string;
  /** Of the deployment package, where there is one. */
  readonly packageBytes?: number;
}

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const model = join(root, 'models/tales');

/** Makes what is compared. @param folder for what is made, which goes with the run */
export async function makeSubjects(
  folder: string,
): Promise<{ subjects: Subject[]; environment: Subject['environment'] }> {
  const config = join(folder, 'resident.yaml');
  // JSON is YAML
  writeFileSync(
    config,
    JSON.stringify({
      models: [{ name: 'tales', source: model }],
      log: { level: 'error' },
      hub: { cacheDir: join(folder, 'cache') },
    }),
  );
  const installed = { RESIDENT_CONFIG: config };
  const naive = { MODEL_FOLDER: model };
  const bundledNaive = join(folder, 'naive/dist/naive');
  await bundle([join(here, 'naive-handler.mjs')], bundledNaive);
  symlinkSync(join(root, 'node_modules'), join(folder, 'naive/node_modules'), 'dir');
  return {
    environment: installed,
    subjects: [
      {
        name: 'Express and Transformers.js, as installed',
        entry: url(join(here, 'naive-handler.mjs')),
        environment: naive,
      },
      {
        name: 'Express and Transformers.js, bundled',
        entry: url(join(bundledNaive, 'naive-handler.js')),
        environment: naive,
      },
      {
        name: 'Resident, everything imported',
        entry: url(join(here, 'whole-handler.mjs')),
        environment: installed,
      },
      {
        name: 'Resident, as installed',
        entry: url(join(here, 'installed-handler.mjs')),
        environment: installed,
      },
      await packaged(folder, config),
    ],
  };
}

async function packaged(folder: string, config: string): Promise<Subject> {
  const out = join(folder, 'function');
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
  const { bytes } = await packageLambda({ out, architecture, streaming: false, config });
  return {
    name: 'Resident, packaged (`npm run lambda:package`)',
    entry: url(join(out, 'handler.mjs')),
    environment: {},
    cwd: out,
    packageBytes: bytes,
  };
}

function url(path: string): string {
  return pathToFileURL(path).href;
}
