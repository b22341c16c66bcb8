import * as fc from 'fast-check';
import { relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelLoadError } from '../../src/engine/errors.js';
import { parseHubId, parseModelSource } from '../../src/engine/loading/model-source.js';
import { temporaryFolder } from './helpers/temporary-folder.js';

describe('parseModelSource', () => {
  it('takes a folder that exists, absolute or relative to the working directory', () => {
    const path = temporaryFolder();
    expect(parseModelSource(path)).toEqual({ kind: 'folder', path });
    expect(parseModelSource(relative(process.cwd(), path))).toEqual({ kind: 'folder', path });
  });

  it('takes a folder that exists even where the name could be one on the hub', () => {
    expect(parseModelSource('models/tales')).toMatchObject({ kind: 'folder' });
  });

  it('takes any owner/name as a model on the hub, on its main branch or at a revision', () => {
    const start = fc.constantFrom(...Array.from('azAZ09_'));
    const rest = fc.string({ unit: fc.constantFrom(...Array.from('azAZ09_-.')), maxLength: 12 });
    const name = fc.tuple(start, rest).map((parts) => parts.join(''));
    fc.assert(
      fc.property(name, name, name, (owner, model, revision) => {
        const id = `resident-no-such-folder-${owner}/${model}`;
        expect(parseModelSource(id)).toEqual({ kind: 'hub', id, revision: 'main' });
        expect(parseModelSource(`${id}@${revision}`)).toEqual({ kind: 'hub', id, revision });
      }),
    );
  });

  it('takes a revision with slashes, as pull requests on the hub have', () => {
    expect(parseModelSource('owner/name@refs/pr/3')).toEqual({
      kind: 'hub',
      id: 'owner/name',
      revision: 'refs/pr/3',
    });
  });

  it.each([
    './no-such/folder',
    '../no-such/folder',
    '/no-such/folder',
    '~/no-such',
    'no-such-folder',
    'a/b/c',
    'owner/',
    'owner/name@',
    'https://huggingface.co/owner/name',
    'owner/na me',
    'owner/name@../../other',
  ])('refuses %s, which is neither, and says what to write', (source) => {
    expect(() => parseModelSource(source)).toThrow(ModelLoadError);
    expect(() => parseModelSource(source)).toThrow(/There is no folder .*owner\/name/);
  });

  it('refuses a file: the source is the folder it is in', () => {
    const folder = temporaryFolder({ 'model.onnx': 'x' });
    expect(() => parseModelSource(`${folder}/model.onnx`)).toThrow(/is a file; .*config\.json/);
  });

  it('takes no name that climbs out of the cache', () => {
    expect(parseHubId('owner/..')).toBeUndefined();
    expect(parseHubId('owner/name@..')).toBeUndefined();
    expect(parseHubId('owner/..name')).toEqual({ id: 'owner/..name', revision: 'main' });
  });
});
