import { expect, it } from 'vitest';
import { modelJsonReader } from '../../src/engine/loading/model-json.js';
import { temporaryFolder } from './helpers/temporary-folder.js';

it('reads what is there, and tells what is not', async () => {
  const read = modelJsonReader(
    temporaryFolder({ 'modules.json': '[1]', '1_Pooling/config.json': '{"a": 1}' }),
  );
  expect(await read('modules.json')).toEqual([1]);
  expect(await read('1_Pooling/config.json')).toEqual({ a: 1 });
  expect(await read('sentence_bert_config.json')).toBeUndefined();
});

it('names a file that is no JSON', async () => {
  const read = modelJsonReader(temporaryFolder({ 'modules.json': '<html>Log in</html>' }));
  await expect(read('modules.json')).rejects.toMatchObject({
    code: 'model_corrupt',
    message: expect.stringMatching(
      /^modules\.json of the model is not valid JSON .*Fetch it again\.$/,
    ) as string,
  });
});
