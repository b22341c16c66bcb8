import { fileURLToPath } from 'node:url';
import { startServer, type ChildServer } from './child-server.js';
import { createTemporaryFolder } from './temporary-folder.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Resident as it is shipped, on a data folder of its own. */
export async function startResident(env: Readonly<Record<string, string>> = {}): Promise<ChildServer> {
  return startServer({
    name: 'Resident',
    args: [`${root}dist/main.js`],
    env: { RESIDENT_DATA: createTemporaryFolder(), LOG_LEVEL: 'warn', ...env },
    readyPath: '/health/ready',
  });
}

/** The Transformers.js pipeline singleton that Resident is compared with. */
export async function startNaive(): Promise<ChildServer> {
  return startServer({
    name: 'naive',
    args: ['--import', import.meta.resolve('tsx'), `${root}bench/naive-server.ts`],
    env: {},
    readyPath: '/health/live',
  });
}
