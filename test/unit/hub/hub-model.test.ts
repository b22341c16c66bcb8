import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openHubModel, type HubModel } from '../../../src/engine/hub/hub-model.js';
import type { HubOptions, LoadProgress } from '../../../src/engine/types.js';
import { startHub, type LocalHub } from '../../support/hub.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { Q8_FILES, QUICK, SMALL_MODEL } from './small-model.js';

const SOURCE = { id: 'someone/small', revision: 'main' };

let hub: LocalHub;
let cacheDir: string;
let told: LoadProgress[];
beforeEach(async () => {
  hub = await startHub('someone/small', SMALL_MODEL);
  cacheDir = temporaryFolder();
  told = [];
});
afterEach(() => hub.close());

function open(options: Partial<HubOptions> = {}, revision = 'main'): Promise<HubModel> {
  const hubOptions = { endpoint: hub.url, cacheDir, ...options };
  return openHubModel({ ...SOURCE, revision }, hubOptions, (progress) => told.push(progress), QUICK);
}

function content(folder: string, path: string): Buffer {
  return readFileSync(join(folder, path));
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('.resident'))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

async function expectSmallModel(model: HubModel): Promise<void> {
  await model.fetch('q8');
  expect(filesOf(model.folder)).toEqual(Q8_FILES);
  for (const path of Q8_FILES)
    expect(content(model.folder, path).equals(Buffer.from(SMALL_MODEL[path]!))).toBe(true);
}

describe('a model of the hub', () => {
  it('is what a load needs and nothing else, in one folder', async () => {
    const model = await open();
    expect(model.folder).toBe(join(cacheDir, 'someone', 'small'));
    expect(model.commit).toBe(hub.commit);
    expect(new Map(model.weights)).toEqual(new Map([['fp32', 12_100], ['q8', 5000]])); // prettier-ignore
    expect(model.fetched.size).toBe(0);
    await expectSmallModel(model);
    expect([...model.fetched.keys()]).toEqual(['q8']);
  });

  it('has its external data with it', async () => {
    const model = await open();
    await model.fetch('fp32');
    expect(content(model.folder, 'onnx/model.onnx_data')).toHaveLength(9000);
    expect(content(model.folder, 'onnx/model.onnx_data_1')).toHaveLength(100);
  });

  it('is not asked about again once it is there', async () => {
    await (await open()).fetch('q8');
    const requests = hub.requests.length;
    const again = await open();
    await again.fetch('q8');
    expect(again.commit).toBe(hub.commit);
    expect(hub.requests).toHaveLength(requests);
  });

  it('takes one request to list, and one for each file', async () => {
    await (await open()).fetch('q8');
    expect(hub.log()).toHaveLength(1 + Q8_FILES.length);
    expect(hub.log().filter((line) => line.includes('/resolve/main/'))).toEqual([]);
  });

  it('tells how far it is', async () => {
    const model = await open();
    told = [];
    await model.fetch('q8');
    const total = Q8_FILES.reduce((sum, path) => sum + SMALL_MODEL[path]!.length, 0);
    expect(told.at(0)).toEqual({
      phase: 'downloading',
      file: 'onnx/model_quantized.onnx',
      bytes: total - 5000,
      totalBytes: total,
    });
    expect(told.at(-1)).toMatchObject({ bytes: total, totalBytes: total });
  });

  it.each(['refs/pr/1', 'commit'])('at a revision (%s) has a folder of its own', async (name) => {
    const revision = name === 'commit' ? hub.commit : name;
    const model = await open({}, revision);
    expect(model.folder).toBe(join(cacheDir, 'someone', `small@${encodeURIComponent(revision)}`));
    await expectSmallModel(model);
  });

  it('stays as it is when the hub has another commit, until something is missing', async () => {
    await (await open()).fetch('q8');
    const before = hub.commit;
    hub.push({ ...SMALL_MODEL, 'config.json': '{"model_type": "gpt2"}' });
    const again = await open();
    await again.fetch('q8');
    expect(again.commit).toBe(before);
    await again.fetch('fp32');
    expect(again.commit).toBe(hub.commit);
    expect(content(again.folder, 'config.json').toString()).toContain('gpt2');
    expect([...again.fetched.keys()]).toEqual(['fp32', 'q8']);
  });

  it('is asked about again for a dtype that it had not', async () => {
    await (await open()).fetch('q8');
    hub.push({ ...SMALL_MODEL, 'onnx/model_q4.onnx': 'new' });
    const options = { endpoint: hub.url, cacheDir };
    const asking = (offline: boolean): Promise<HubModel> =>
      openHubModel(SOURCE, { ...options, offline }, () => undefined, { ...QUICK, asked: 'q4' });
    expect([...(await asking(true)).weights.keys()]).toEqual(['q8']);
    expect((await asking(false)).weights.get('q4')).toBe(3);
  });

  it('is brought up to date when that is asked for, and only what is new is fetched', async () => {
    await (await open()).fetch('q8');
    hub.push({ ...SMALL_MODEL, 'config.json': '{"model_type": "gpt2"}' });
    hub.requests.length = 0;
    const model = await open();
    await model.refresh('q8');
    expect(hub.requests.flatMap(({ file }) => file ?? [])).toEqual(['config.json']);
    expect(model.commit).toBe(hub.commit);
  });

  it('is repaired where its content is damaged', async () => {
    const model = await open();
    await model.fetch('q8');
    const path = join(model.folder, 'onnx/model_quantized.onnx');
    writeFileSync(path, Buffer.alloc(5000));
    await (await open()).refresh('q8');
    await expectSmallModel(model);
  });

  it('loses what the hub has no longer', async () => {
    hub.push({ ...SMALL_MODEL, 'chat_template.jinja': '{{ messages }}', '1_Pooling/config.json': '{}' });
    const { folder } = await open();
    writeFileSync(join(folder, 'notes.txt'), 'of somebody');
    expect(filesOf(folder)).toContain('chat_template.jinja');
    hub.push(SMALL_MODEL);
    const model = await open();
    await model.refresh('q8');
    expect(filesOf(folder)).toEqual([...Q8_FILES, 'notes.txt'].toSorted());
  });

  it('of an earlier program is taken in, and only what is wrong is fetched', async () => {
    const model = await open();
    await model.fetch('q8');
    writeFileSync(join(model.folder, '.resident', 'manifest.json'), '');
    writeFileSync(join(model.folder, 'tokenizer_config.json'), '[]');
    hub.requests.length = 0;
    await expectSmallModel(await open());
    expect(hub.requests.flatMap(({ file }) => file ?? [])).toEqual(['tokenizer_config.json']);
  });
});

it.each([
  '../config.json',
  '..\\..\\out/config.json',
  '.resident/config.json',
  '/config.json',
  './config.json',
])('a repository can not write beside its folder: %s', async (path) => {
  hub.push({ ...SMALL_MODEL, [path]: '{"evil": true}' });
  const model = await open();
  await expectSmallModel(model);
  expect(readdirSync(join(cacheDir, 'someone'))).toEqual(['small']);
  expect(readdirSync(cacheDir)).toEqual(['someone']);
  expect(hub.log().filter((line) => line.includes('/resolve/'))).toHaveLength(Q8_FILES.length);
});

describe('without the hub', () => {
  it.each([{ offline: true }, { endpoint: 'http://127.0.0.1:9' }])(
    '(%o) what is complete is enough',
    async (options) => {
      await (await open()).fetch('q8');
      const model = await open(options);
      await model.fetch('q8');
      expect([...model.fetched.keys()]).toEqual(['q8']);
      await expect(model.fetch('fp32')).rejects.toMatchObject({ code: 'hub_unreachable' });
    },
  );

  it.each([{ offline: true }, { endpoint: 'http://127.0.0.1:9' }])(
    '(%o) so is what another program has left there',
    async (options) => {
      const first = await open();
      await first.fetch('q8');
      const other = join(cacheDir, 'other', 'small');
      const { cpSync, rmSync } = await import('node:fs');
      cpSync(first.folder, other, { recursive: true });
      rmSync(join(other, '.resident'), { recursive: true });
      const model = await openHubModel(
        { id: 'other/small', revision: 'main' },
        { endpoint: hub.url, cacheDir, ...options },
        () => undefined,
        QUICK,
      );
      await model.fetch('q8');
      expect([...model.weights]).toEqual([['q8', 5000]]);
      expect(model.commit).toBeUndefined();
    },
  );

  it('nothing is asked when the switch says so', async () => {
    await expect(open({ offline: true })).rejects.toThrow(
      /isn't in the cache.*HF_HUB_OFFLINE.*npm run models -- pull/,
    );
    expect(hub.requests).toEqual([]);
    expect(existsSync(join(cacheDir, 'someone'))).toBe(false);
  });
});

describe('a mirror', () => {
  it.each([true, false])('without the API is asked file by file (hashes: %s)', async (hashes) => {
    await hub.close();
    hub = await startHub('someone/small', SMALL_MODEL, { api: false, hashes });
    const model = await open();
    expect(new Map(model.weights)).toEqual(new Map([['fp32', 12_100], ['q8', 5000]])); // prettier-ignore
    expect(model.commit).toBe(hashes ? hub.commit : undefined);
    await expectSmallModel(model);
  });

  it('may have the hash of the content itself as ETag', async () => {
    await hub.close();
    hub = await startHub('someone/small', SMALL_MODEL, { api: false, hashes: false, etags: 'sha1' });
    await expectSmallModel(await open());
    hub.script = ({ file, method }) =>
      file === 'onnx/model.onnx' && method === 'GET' ? { kind: 'wrongBytes' } : undefined;
    await expect((await open()).fetch('fp32')).rejects.toMatchObject({ code: 'model_corrupt' });
  });

  it('with a slash at its end is the same', async () => {
    await expectSmallModel(await open({ endpoint: `${hub.url}/` }));
  });
});
