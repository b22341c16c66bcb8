import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServer, type ChildServer } from './child-server.js';
import { createTemporaryFolder } from './temporary-folder.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Resident as it is shipped, on a data folder of its own. */
export async function startResident(env: Readonly<Record<string, string>> = {}): Promise<ChildServer> {
  return startServer({
    name: 'Resident',
    args: [`${root}dist/server/main.js`],
    env: { RESIDENT_DATA: createTemporaryFolder(), LOG_LEVEL: 'warn', ...env },
    readyPath: '/health/ready',
  });
}

/**
 * Resident with one model, from a folder, under the name that requests give.
 * @param config what else its configuration says
 * @param env variables beside it
 */
export async function startResidentWith(
  model: { readonly name: string; readonly folder: string },
  config: object = {},
  env: Readonly<Record<string, string>> = {},
): Promise<ChildServer> {
  const file = join(createTemporaryFolder(), 'resident.yaml');
  // JSON is YAML
  writeFileSync(file, JSON.stringify({ ...config, models: [{ name: model.name, source: model.folder }] }));
  return startResident({ RESIDENT_CONFIG: file, ...env });
}

/**
 * The Transformers.js pipeline singleton that Resident is compared with.
 * @param folder of the model; default: the one that comes with Resident
 * @param env variables beside it
 */
export async function startNaive(
  folder?: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ChildServer> {
  return startServer({
    name: 'naive',
    args: ['--import', import.meta.resolve('tsx'), `${root}bench/naive-server.ts`],
    env: { ...(folder === undefined ? {} : { MODEL_FOLDER: folder }), ...env },
    readyPath: '/health/live',
  });
}
