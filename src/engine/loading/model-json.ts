import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelLoadError, messageOf } from '../errors.js';

/** A file that a model may have besides those that Transformers.js reads: parsed; undefined: it has none. */
export type ReadModelJson = (name: string) => Promise<unknown>;

/**
 * Reads small JSON files of a model's folder.
 * @throws ModelLoadError (by the reader) if a file isn't JSON
 */
export function modelJsonReader(folder: string): ReadModelJson {
  return async (name) => {
    const text = await readIfThere(join(folder, name));
    return text === undefined ? undefined : parse(name, text);
  };
}

function parse(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ModelLoadError(
      'model_corrupt',
      `${name} of the model is not valid JSON (${messageOf(error)}). Fetch it again.`,
      { cause: error },
    );
  }
}

/** undefined: there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
