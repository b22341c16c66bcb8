import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { usersOf } from '../../../src/engine/hub/use-mark.js';
import { loadModel } from '../../../src/engine/loading/load-model.js';
import { startHub } from '../../support/hub.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { SMALL_MODEL } from './small-model.js';

it('a model is in use from when its weights are fetched, and no more when they turn out to be none', async () => {
  const hub = await startHub('someone/small', SMALL_MODEL);
  onTestFinished(() => hub.close());
  const cacheDir = temporaryFolder();
  const folder = join(cacheDir, 'someone', 'small');
  const users: number[] = [];
  const loading = loadModel(
    { name: 'small', source: 'someone/small', task: 'text-generation', device: 'cpu', dtype: 'q8' },
    { endpoint: hub.url, cacheDir },
    {
      avoid: [],
      onCondition: () => undefined,
      onProgress: (progress) => {
        if (progress.phase !== 'downloading' || progress.file.endsWith('.onnx'))
          users.push(usersOf(folder).length);
      },
    },
  );
  await expect(loading).rejects.toThrow(/small/);
  expect(users.length).toBeGreaterThan(0);
  expect(new Set(users)).toEqual(new Set([1]));
  expect(usersOf(folder)).toEqual([]);
});
