import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { startHub, type LocalHub } from '../../support/hub.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { Q8_FILES, SMALL_MODEL, incompleteBytes } from './small-model.js';

const PROGRAM = fileURLToPath(new URL('../../support/hub-fetch.ts', import.meta.url));
const WEIGHTS = 'onnx/model_quantized.onnx';

interface Said {
  readonly folder?: string;
  readonly error?: string;
  readonly progress?: { readonly file: string; readonly bytes: number; readonly totalBytes: number };
}

interface Fetching {
  readonly process: ChildProcess;
  readonly said: Said[];
  readonly ended: Promise<unknown>;
}

let hub: LocalHub;
let cacheDir: string;
beforeEach(async () => {
  hub = await startHub('someone/small', SMALL_MODEL);
  cacheDir = temporaryFolder();
});
afterEach(() => hub.close());

function start(): Fetching {
  const child = fork(PROGRAM, [JSON.stringify({ endpoint: hub.url, cacheDir })], {
    execArgv: ['--import', 'tsx'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said: Said[] = [];
  child.on('message', (message) => said.push(message as Said));
  return { process: child, said, ended: once(child, 'exit') };
}

function expectWhole({ said }: Fetching): void {
  const { folder } = said.at(-1) ?? {};
  expect(said.at(-1)).toEqual({ folder });
  for (const path of Q8_FILES)
    expect(readFileSync(join(folder ?? '', path)).equals(Buffer.from(SMALL_MODEL[path]!))).toBe(true);
}

it('four processes at once download once, and those who wait tell how far it is', async () => {
  const all: Fetching[] = [];
  const told = (): boolean[] =>
    all.map(({ said }) => said.some(({ progress }) => progress?.file === WEIGHTS));
  hub.script = ({ cdn, file }) =>
    cdn && file === WEIGHTS ? { kind: 'stall', after: 1000, until: () => told().every(Boolean) } : undefined;
  all.push(start(), start(), start(), start());
  await Promise.all(all.map(({ ended }) => ended));
  all.forEach(expectWhole);
  const files = hub.requests.flatMap(({ file, cdn, method }) => (file && !cdn ? [`${method} ${file}`] : []));
  expect(files.toSorted()).toEqual(Q8_FILES.map((path) => `GET ${path}`));
  expect(told()).toEqual([true, true, true, true]);
}, 60_000);

it('a download that was killed goes on in the next process, where it was', async () => {
  hub.script = ({ cdn, file }) => (cdn && file === WEIGHTS ? { kind: 'stall', after: 3000 } : undefined);
  const killed = start();
  await expect.poll(() => incompleteBytes(cacheDir), { timeout: 15_000 }).toBe(3000);
  killed.process.kill('SIGKILL');
  await killed.ended;
  hub.script = () => undefined;
  hub.requests.length = 0;
  const next = start();
  await next.ended;
  expectWhole(next);
  const ranges = hub.requests.filter(({ cdn, file }) => cdn && file === WEIGHTS).map(({ range }) => range);
  expect(ranges).toEqual(['bytes=3000-']);
}, 60_000);
