import { lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyModels } from '../../scripts/lambda/model-files.js';
import { packageLambda } from '../../scripts/lambda/package.js';
import { temporaryFolder, writeFiles } from './helpers/temporary-folder.js';

const root = join(import.meta.dirname, '../..');

describe('the package of a function', () => {
  it('takes the place of no folder but an earlier one', async () => {
    const out = temporaryFolder({ 'package.json': '{}', 'src/main.ts': 'precious' });
    const options = { out, architecture: 'x64', streaming: false } as const;
    await expect(packageLambda(options)).rejects.toThrow(`${out} is not empty, and no package of a function`);
    expect(readdirSync(out)).toEqual(['package.json', 'src']);
  });

  it('holds files where the model has links to them', () => {
    const folder = temporaryFolder({ 'blobs/a': 'weights', 'model/config.json': '{}' });
    mkdirSync(join(folder, 'model', 'onnx'));
    symlinkSync('../../blobs/a', join(folder, 'model', 'onnx', 'model.onnx'));
    symlinkSync(join(folder, 'blobs'), join(folder, 'model', 'more'));
    const config = join(folder, 'my.yaml');
    writeFileSync(config, JSON.stringify({ models: [{ name: 'mine', source: join(folder, 'model') }] }));
    const out = temporaryFolder();
    expect(copyModels(root, config, out)).toEqual([]);
    for (const path of ['models/mine/onnx/model.onnx', 'models/mine/more/a']) {
      expect(lstatSync(join(out, path)).isFile()).toBe(true);
      expect(readFileSync(join(out, path), 'utf8')).toBe('weights');
    }
  });

  it('says where models are in it, and that there is no GPU', () => {
    const folder = temporaryFolder();
    writeFiles(folder, { 'model/config.json': '{}' });
    const models = [
      { name: 'a/b', source: join(folder, 'model'), dtype: 'q8' },
      { name: 'hub', source: 'owner/name', device: 'auto' },
      { name: 'other', source: 'owner/other', device: 'webgpu' },
    ];
    const config = join(folder, 'my.yaml');
    writeFileSync(config, JSON.stringify({ models, hub: { offline: true } }));
    expect(copyModels(root, config, folder)).toEqual(['owner/name', 'owner/other']);
    expect(JSON.parse(readFileSync(join(folder, 'resident.yaml'), 'utf8'))).toEqual({
      models: [
        { name: 'a/b', source: './models/a%2Fb', dtype: 'q8', device: 'cpu' },
        { name: 'hub', source: 'owner/name', device: 'cpu' },
        { name: 'other', source: 'owner/other', device: 'webgpu' },
      ],
      hub: { offline: true, cacheDir: './cache' },
    });
  });
});
