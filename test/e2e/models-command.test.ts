import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkModel } from '../../src/cli/models/check.js';
import { pullModel } from '../../src/cli/models/pull.js';
import { loadConfig } from '../../src/config/load-config.js';
import { startHub, type LocalHub } from '../support/hub.js';
import { TALES } from '../support/models.js';

const PROGRAM = fileURLToPath(new URL('../../dist/server/models.js', import.meta.url));

let hub: LocalHub;
const folder = mkdtempSync(join(tmpdir(), 'resident-models-'));
const cacheDir = join(folder, 'resident');
const env: Record<string, string> = {
  RESIDENT_CONFIG: join(folder, 'config.yaml'),
  XDG_CACHE_HOME: folder,
};
beforeAll(async () => {
  hub = await startHub('someone/tales', TALES.source);
  env['HF_ENDPOINT'] = hub.url;
  writeFileSync(env['RESIDENT_CONFIG'] ?? '', 'models: [{ name: story, source: someone/tales }]\n');
});
afterAll(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function models(...args: string[]): Promise<Ran> {
  let [stdout, stderr] = ['', ''];
  const child = execFile(process.execPath, [PROGRAM, ...args], {
    env: { PATH: process.env['PATH'], ...env },
  });
  child.stdout?.on('data', (text: string) => (stdout += text));
  child.stderr?.on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

async function check(what: string): Promise<string[]> {
  const lines: string[] = [];
  await checkModel(what, { config: loadConfig(env), task: undefined, print: (line) => lines.push(line) });
  return lines;
}

it('pull downloads what is configured, check reads and loads it, rm deletes it', async () => {
  const pulled = await models('pull', 'story');
  expect(pulled).toMatchObject({
    code: 0,
    stdout: `someone/tales (q8) at commit ${hub.commit.slice(0, 12)} is in ${cacheDir}/someone/tales\n`,
    stderr: expect.stringMatching(/someone\/tales: downloading, .*\n.*someone\/tales: downloaded/s) as string,
  });
  expect(await check('story')).toEqual([
    expect.stringMatching(/^files: 5 with 1\d MB, all as the hub described them$/),
    expect.stringMatching(/^loads in \d+ ms on cpu as q8; its process takes \d+ MB$/),
  ]);
  expect((await models('rm', 'story')).stdout).toBe(`someone/tales is deleted from ${cacheDir}\n`);
});

it('what is wrong is one sentence, and the exit code says so', async () => {
  expect(await models('pull', 'someone/else')).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /^models: There is no folder 'someone\/else' here, and [^\n]+\.\n$/,
    ) as string,
  });
});

it('check says which file is damaged, and how to mend it', async () => {
  await expect(check('someone/tales')).rejects.toThrow(
    /isn't in the cache.*npm run models -- pull someone\/tales/,
  );
  cpSync(TALES.source, join(cacheDir, 'someone', 'tales'), { recursive: true });
  writeFileSync(join(cacheDir, 'someone', 'tales', 'config.json'), '{}');
  const options = {
    config: loadConfig(env),
    dtype: undefined,
    terminal: { write: () => true },
    print: () => undefined,
  };
  hub.requests.length = 0;
  await pullModel('story', options);
  // the rest was as it should be
  expect(hub.requests.flatMap(({ file, cdn }) => (file && !cdn ? [file] : []))).toEqual(['config.json']);
  writeFileSync(join(cacheDir, 'someone', 'tales', 'tokenizer.json'), '{}');
  await expect(check('story')).rejects.toMatchObject({
    code: 'model_corrupt',
    message: expect.stringMatching(
      /tokenizer\.json isn't what the hub described\. Fetch it again: npm run models -- pull/,
    ) as string,
  });
});
