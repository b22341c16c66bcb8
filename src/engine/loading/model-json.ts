import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelLoadError, messageOf } from '../errors.js';
import type { HubOptions } from '../types.js';
import type { ModelSource } from './model-source.js';

/** A file that a model may have besides those that Transformers.js reads: parsed; undefined: it has none. */
export type ReadModelJson = (name: string) => Promise<unknown>;

/** How long the hub may take to answer, in milliseconds. */
const HUB_TIMEOUT_MS = 30_000;

/**
 * Reads small JSON files of a model. What comes from the hub is kept beside the model's other files in the cache, and so is that
 * a file isn't there: without a network, a model is the same as with one.
 * @throws ModelLoadError (by the reader) if a file can't be read or had
 */
export function modelJsonReader(source: ModelSource, hub: HubOptions): ReadModelJson {
  return async (name) => {
    const text = await (source.kind === 'folder'
      ? readIfThere(join(source.path, name))
      : readFromHub(source, hub, name));
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

async function readFromHub(
  { id, revision }: Extract<ModelSource, { kind: 'hub' }>,
  { endpoint, cacheDir }: HubOptions,
  name: string,
): Promise<string | undefined> {
  // where Transformers.js keeps its own
  const file = join(cacheDir, id, revision === 'main' ? '' : revision, name);
  const absent = `${file}.absent`;
  const kept = await readIfThere(file);
  if (kept !== undefined || existsSync(absent)) return kept;
  const url = `${endpoint.replace(/\/$/, '')}/${id}/resolve/${encodeURIComponent(revision)}/${name}`;
  const text = await download(url);
  // the page of a proxy in between would be kept for ever
  if (text !== undefined) parse(name, text);
  await keep(text === undefined ? absent : file, text ?? '');
  return text;
}

async function download(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      headers: headersFor(url),
      signal: AbortSignal.timeout(HUB_TIMEOUT_MS),
    });
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`status ${response.status}`);
    return await response.text();
  } catch (error) {
    throw new ModelLoadError(
      'hub_unreachable',
      `${url} can't be had: ${messageOf(error)}. Check the network, and HF_TOKEN if the model is gated.`,
      { cause: error },
    );
  }
}

/** As Transformers.js sends the other requests for a model: a mirror isn't told the token. */
function headersFor(url: string): Record<string, string> {
  const token = process.env['HF_TOKEN'] ?? process.env['HF_ACCESS_TOKEN'];
  const isHub = ['huggingface.co', 'hf.co'].includes(new URL(url).hostname);
  return token && isHub ? { authorization: `Bearer ${token}` } : {};
}

/** Under another name first: what was interrupted is never taken for the whole. */
async function keep(file: string, text: string): Promise<void> {
  const unfinished = `${file}.${process.pid}`;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(unfinished, text);
  await rename(unfinished, file);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
