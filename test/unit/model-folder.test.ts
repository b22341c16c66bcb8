import * as fc from 'fast-check';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelLoadError } from '../../src/engine/errors.js';
import {
  checkModelFolder,
  explainUnloadableOnnx,
  onnxFile,
  weightsInFolder,
} from '../../src/engine/loading/model-folder.js';
import { DTYPES, type ConcreteDtype } from '../../src/engine/types.js';
import { TALES } from '../support/models.js';
import { temporaryFolder, writeFiles } from './helpers/temporary-folder.js';
import { thrown } from './helpers/thrown.js';

const COMPLETE = {
  'config.json': '{}',
  'tokenizer.json': '{}',
  'tokenizer_config.json': '{}',
  'onnx/model.onnx': 'weights',
};
const dtypes = DTYPES.filter((dtype) => dtype !== 'auto') as ConcreteDtype[];

function complaint(files: Readonly<Record<string, string>>): { message: string; folder: string } {
  const folder = temporaryFolder(files);
  return { folder, message: thrown(ModelLoadError, () => checkModelFolder(folder)).message };
}

function without(name: keyof typeof COMPLETE): Record<string, string> {
  return Object.fromEntries(Object.entries(COMPLETE).filter(([file]) => file !== name));
}

describe('weightsInFolder', () => {
  it('finds exactly the dtypes that have a file', () => {
    const folder = temporaryFolder();
    fc.assert(
      fc.property(fc.subarray(dtypes), (present) => {
        rmSync(join(folder, 'onnx'), { recursive: true, force: true });
        writeFiles(folder, Object.fromEntries(present.map((dtype) => [onnxFile(dtype), ''])));
        expect(new Set(weightsInFolder(folder).keys())).toEqual(new Set(present));
      }),
      { numRuns: 30 },
    );
  });

  it('counts the bytes of a dtype with its external data, and of no other', () => {
    const folder = temporaryFolder({
      'onnx/model.onnx': '12345',
      'onnx/model.onnx_data': '1234567890',
      'onnx/model.onnx_data_1': '123',
      'onnx/model_q4.onnx': '1',
      'onnx/model_q4.onnx.data': '12',
      'onnx/model_q4f16.onnx': '1234',
      'onnx/model_fp16.onnx_data': 'of a graph that is not there',
    });
    expect(weightsInFolder(folder)).toEqual(new Map([['fp32', 18], ['q4', 3], ['q4f16', 4]])); // prettier-ignore
  });

  it.each([
    ['fp32', 'onnx/model.onnx'],
    ['q8', 'onnx/model_quantized.onnx'],
    ['q4f16', 'onnx/model_q4f16.onnx'],
  ] as [ConcreteDtype, string][])('expects %s in %s, as Transformers.js does', (dtype, file) => {
    expect(onnxFile(dtype)).toBe(join(file));
  });
});

describe('checkModelFolder', () => {
  it('accepts a folder with all that is needed, tokenizer_config.json or not', () => {
    expect(() => checkModelFolder(temporaryFolder(COMPLETE))).not.toThrow();
    expect(() => checkModelFolder(temporaryFolder(without('tokenizer_config.json')))).not.toThrow();
    expect(() => checkModelFolder(TALES.source)).not.toThrow();
  });

  it.each(['config.json', 'tokenizer.json'] as const)('names %s if it is missing', (name) => {
    const { folder, message } = complaint(without(name));
    expect(message).toContain(`${folder} has no ${name}`);
  });

  it.each(['config.json', 'tokenizer.json', 'tokenizer_config.json'])('names %s if it is broken', (name) => {
    for (const content of ['{"a": ', '', 'null', '3', 'version https://git-lfs.github.com/spec/v1']) {
      const { folder, message } = complaint({ ...COMPLETE, [name]: content });
      expect(message).toContain(`${join(folder, name)} is not valid JSON`);
    }
  });

  it('names what the folder has instead of weights', () => {
    expect(complaint(without('onnx/model.onnx')).message).toContain('found none');
    const { message } = complaint({
      ...without('onnx/model.onnx'),
      'onnx/decoder.onnx': '',
      'onnx/notes.md': '',
    });
    expect(message).toContain('found decoder.onnx.');
  });
});

describe('explainUnloadableOnnx', () => {
  it('recognizes a Git LFS pointer', () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n';
    const path = join(temporaryFolder({ 'model.onnx': pointer }), 'model.onnx');
    expect(explainUnloadableOnnx(path, new Error('protobuf parsing failed'))).toMatch(
      /Git LFS pointer.*git lfs pull/,
    );
  });

  it.each([
    ['protobuf parsing failed'],
    ['protobuf parsing failed.'],
    ['protobuf parsing failed.\nat frame 1'],
  ])('gives the first line of the reason as a sentence: %j', (reason) => {
    const path = join(temporaryFolder({ 'model.onnx': 'x' }), 'model.onnx');
    const text = explainUnloadableOnnx(path, new Error(reason));
    expect(text).toContain(`${path} can't be loaded as an ONNX model: protobuf parsing failed. If`);
    expect(text).not.toContain('frame');
  });

  it('copes with a file that is not on this disk', () => {
    expect(explainUnloadableOnnx('owner/name/onnx/model.onnx', new Error('404'))).toContain('404.');
  });
});
