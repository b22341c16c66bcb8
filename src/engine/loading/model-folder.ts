import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { ModelLoadError, messageOf } from '../errors.js';
import { filesIn } from '../hub/local-files.js';
import { REQUIRED_FILES, graphFile, weightsAmong } from '../hub/needed-files.js';
import type { ConcreteDtype } from '../types.js';

/** Relative to the model folder. */
export function onnxFile(dtype: ConcreteDtype): string {
  return normalize(graphFile(dtype));
}

/** The dtypes a folder has a file for, with their bytes, external data included. */
export function weightsInFolder(folder: string): ReadonlyMap<ConcreteDtype, number> {
  return weightsAmong(filesIn(folder));
}

/**
 * Checks that the folder holds what loading needs, so that what is missing or broken is named before anything heavy runs.
 * @throws ModelLoadError with the file and the remedy
 */
export function checkModelFolder(folder: string): void {
  checkModelJson(folder);
  if (weightsInFolder(folder).size === 0) {
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
 * The same without the weights.
 * @throws ModelLoadError with the file and the remedy
 */
export function checkModelJson(folder: string): void {
  for (const name of REQUIRED_FILES) readJson(folder, name);
  if (existsSync(join(folder, 'tokenizer_config.json'))) readJson(folder, 'tokenizer_config.json');
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
