import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { ModelLoadError, messageOf } from '../errors.js';
import type { ConcreteDtype } from '../types.js';

/** The file name a dtype has in a model folder: `onnx/model<suffix>.onnx` (Transformers.js, `utils/dtypes.js`). */
const SUFFIXES: Readonly<Record<ConcreteDtype, string>> = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
  q4f16: '_q4f16',
  q2: '_q2',
  q2f16: '_q2f16',
  q1: '_q1',
  q1f16: '_q1f16',
  bnb4: '_bnb4',
};

const ALL_DTYPES = Object.keys(SUFFIXES) as ConcreteDtype[];

export function onnxFile(dtype: ConcreteDtype): string {
  return join('onnx', `model${SUFFIXES[dtype]}.onnx`);
}

/** The dtypes a folder has a file for, in no particular order of preference. */
export function dtypesInFolder(folder: string): ConcreteDtype[] {
  return ALL_DTYPES.filter((dtype) => existsSync(join(folder, onnxFile(dtype))));
}

/**
 * Checks that the folder holds what loading needs, so that what is missing or broken is named before anything heavy runs.
 * @throws ModelLoadError with the file and the remedy
 */
export function checkModelFolder(folder: string): void {
  for (const name of ['config.json', 'tokenizer.json']) readJson(folder, name);
  if (existsSync(join(folder, 'tokenizer_config.json'))) readJson(folder, 'tokenizer_config.json');
  if (dtypesInFolder(folder).length === 0) {
    const onnx = join(folder, 'onnx');
    const found = existsSync(onnx) ? readdirSync(onnx).filter((name) => name.endsWith('.onnx')) : [];
    throw new ModelLoadError(
      'weights_not_found',
      `${folder} has no ONNX weights: expected onnx/model.onnx, onnx/model_quantized.onnx or another dtype of it, found ` +
        `${found.join(', ') || 'none'}. Export the model for Transformers.js, or take one from onnx-community on the hub.`,
    );
  }
}

/**
 * The likely reason why a session could not be made of this file.
 * @returns one sentence with the remedy
 */
export function explainUnloadableOnnx(path: string, error: unknown): string {
  if (isGitLfsPointer(path))
    return `${path} is a Git LFS pointer, not the weights themselves. Run 'git lfs pull' in its repository.`;
  return `${path} can't be loaded as an ONNX model: ${firstSentence(messageOf(error))} If it is damaged or incomplete, fetch it again.`;
}

function readJson(folder: string, name: string): void {
  const path = join(folder, name);
  if (!existsSync(path)) {
    throw new ModelLoadError(
      name === 'tokenizer.json' ? 'tokenizer_not_found' : 'source_not_found',
      `${folder} has no ${name}. A model folder holds config.json, tokenizer.json and onnx/.`,
    );
  }
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null) throw new Error('it is not an object');
  } catch (error) {
    throw new ModelLoadError(
      'model_corrupt',
      `${path} is not valid JSON (${messageOf(error)}). If it is damaged or incomplete, fetch it again.`,
      {
        cause: error,
      },
    );
  }
}

function isGitLfsPointer(path: string): boolean {
  if (!existsSync(path)) return false;
  const head = Buffer.alloc(24);
  const file = openSync(path, 'r');
  try {
    readSync(file, head);
  } finally {
    closeSync(file);
  }
  return head.toString('latin1').startsWith('version https://git-lfs');
}

function firstSentence(message: string): string {
  const line = message.split('\n', 1)[0] ?? '';
  return line.endsWith('.') ? line : `${line}.`;
}
