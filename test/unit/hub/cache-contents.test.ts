import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listCache, removeCached, verifyCached } from '../../../src/engine/hub/cache-contents.js';
import type { Manifest } from '../../../src/engine/hub/cache-folder.js';
import { thisHost, withLock } from '../../../src/engine/hub/cache-lock.js';
import { openHubModel, type HubModel } from '../../../src/engine/hub/hub-model.js';
import { usersOf } from '../../../src/engine/hub/use-mark.js';
import { startHub, type LocalHub } from '../../support/hub.js';
import { temporaryFolder, writeFiles } from '../helpers/temporary-folder.js';
import { Q8_FILES, QUICK, SMALL_MODEL } from './small-model.js';

const SOURCE = { id: 'someone/small', revision: 'main' };

let hub: LocalHub;
let cacheDir: string;
beforeEach(async () => {
  hub = await startHub('someone/small', SMALL_MODEL);
  cacheDir = temporaryFolder();
});
afterEach(() => hub.close());

async function fetchQ8(revision = 'main'): Promise<HubModel> {
  const options = { endpoint: hub.url, cacheDir };
  const model = await openHubModel({ ...SOURCE, revision }, options, () => undefined, QUICK);
  await model.fetch('q8');
  return model;
}

describe('listCache', () => {
  it('tells what there is: by whomever it was fetched, at which revision, in which dtypes', async () => {
    await fetchQ8();
    await fetchQ8('refs/pr/1');
    writeFiles(cacheDir, {
      'other/left/config.json': '{}',
      'other/left/onnx/model_q4.onnx': '1234',
      'graphs/some.graph': 'rewritten',
      'other/notes/readme.md': 'none of ours',
      'other/odd@%zz/config.json': '{}',
    });
    const models = await listCache(cacheDir);
    expect(models.map(({ source, dtypes, commit }) => ({ ...source, dtypes, commit }))).toEqual([
      { id: 'other/left', revision: 'main', dtypes: ['q4'], commit: undefined },
      { id: 'other/odd', revision: '%zz', dtypes: [], commit: undefined },
      { ...SOURCE, dtypes: ['q8'], commit: hub.commit },
      { ...SOURCE, revision: 'refs/pr/1', dtypes: ['q8'], commit: hub.commit },
    ]);
    const needed = Q8_FILES.reduce((sum, path) => sum + SMALL_MODEL[path]!.length, 0);
    expect(models[2]?.bytes).toBeGreaterThan(needed);
    expect(models[2]?.lastUsed).toBeUndefined();
  });

  it('tells when a model was used last', async () => {
    const before = Date.now();
    (await fetchQ8()).hold()();
    const [model] = await listCache(cacheDir);
    expect(model?.lastUsed?.getTime()).toBeGreaterThan(before - 1000);
  });

  it('of no folder is empty', async () => {
    expect(await listCache(join(cacheDir, 'none'))).toEqual([]);
  });
});

describe('verifyCached', () => {
  it('finds what was changed, and nothing else', async () => {
    const { folder } = await fetchQ8();
    expect(await verifyCached(folder)).toMatchObject({ files: Q8_FILES.length, damaged: [], missing: [] });
    writeFileSync(join(folder, 'onnx/model_quantized.onnx'), Buffer.alloc(5000));
    expect(await verifyCached(folder)).toMatchObject({ damaged: ['onnx/model_quantized.onnx'] });
  });

  it('tells what every load needs and was not fetched', async () => {
    const { folder } = await fetchQ8();
    const path = join(folder, '.resident', 'manifest.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
    writeFileSync(path, JSON.stringify({ ...manifest, verified: {} }));
    expect(await verifyCached(folder)).toEqual({
      files: 0,
      bytes: 0,
      damaged: [],
      missing: ['config.json', 'tokenizer.json'],
    });
  });
});

describe('removeCached', () => {
  it('deletes the model and its owner, if that has no other', async () => {
    const { folder } = await fetchQ8();
    const other = await fetchQ8('refs/pr/1');
    await removeCached(SOURCE, folder);
    expect(existsSync(folder)).toBe(false);
    await removeCached({ ...SOURCE, revision: 'refs/pr/1' }, other.folder);
    expect(readdirSync(cacheDir)).toEqual([]);
  });

  it('refuses what a process has loaded, until it gives it back', async () => {
    const model = await fetchQ8();
    const release = [model.hold(), model.hold()];
    for (const give of release) {
      await expect(removeCached(SOURCE, model.folder)).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining(`someone/small is in use: process ${process.pid} on`) as string,
      });
      give();
    }
    await removeCached(SOURCE, model.folder);
    expect(existsSync(model.folder)).toBe(false);
  });

  it('refuses what is being downloaded', async () => {
    const { folder } = await fetchQ8();
    await withLock(folder, () => expect(removeCached(SOURCE, folder)).rejects.toThrow('downloads it'));
  });

  it('does not count processes that have ended, and others of another machine until it is forced', async () => {
    const model = await fetchQ8();
    const { folder } = model;
    const users = join(folder, '.resident', 'used-by');
    mkdirSync(users);
    writeFileSync(join(users, 'gone'), JSON.stringify({ host: thisHost(), pid: 4_194_305 }));
    writeFileSync(join(users, 'broken'), '');
    expect(usersOf(folder)).toEqual([]);
    writeFileSync(join(users, 'far'), JSON.stringify({ host: 'another', pid: 1 }));
    await expect(removeCached(SOURCE, folder)).rejects.toThrow('process 1 on another has it loaded');
    model.hold()();
    expect(readdirSync(users).toSorted()).toEqual(['broken', 'far']);
    await removeCached(SOURCE, folder, { force: true });
    expect(existsSync(folder)).toBe(false);
  });
});
