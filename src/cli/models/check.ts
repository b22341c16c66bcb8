import { join } from 'node:path';
import type { LoadedConfig } from '../../config/load-config.js';
import { EngineProcess } from '../../engine/client/engine-process.js';
import { ModelLoadError } from '../../engine/errors.js';
import { verifyCached } from '../../engine/hub/cache-contents.js';
import { folderOf } from '../../engine/hub/cache-folder.js';
import { hubId, type HubSource } from '../../engine/hub/hub-source.js';
import { sizeOf } from '../../engine/hub/file-identity.js';
import { formatBytes } from '../../engine/placement/bytes.js';
import type { HubOptions, LoadedModelInfo, ModelSpec, Task } from '../../engine/types.js';
import { findSubject } from './subject.js';

type Print = (line: string) => void;

/**
 * Looks at the files of a model, then loads it in an engine process, without downloading anything.
 * @throws ModelLoadError: what is wrong with it
 */
export async function checkModel(
  what: string,
  { config, task, print }: { config: LoadedConfig; task: Task | undefined; print: Print },
): Promise<void> {
  const { model, hub, source } = findSubject(what, config);
  if (hub) await checkFiles(hub, config.hub, print);
  if (!model && !task) {
    print(`It wasn't loaded: say what it does (--task), or configure it.`);
    return;
  }
  const spec: ModelSpec = model ?? {
    name: what,
    source,
    task: task as Task,
    device: 'auto',
    dtype: 'auto',
  };
  const { info, rss } = await tryLoad(spec, { ...config.hub, offline: true });
  print(`loads in ${Math.round(info.loadMs)} ms on ${info.device} as ${info.dtype}${memoryText(rss)}`);
}

/** @throws ModelLoadError if files are missing or aren't what the hub described */
async function checkFiles(
  source: HubSource,
  { cacheDir }: { cacheDir: string },
  print: Print,
): Promise<void> {
  const id = hubId(source);
  const folder = folderOf(cacheDir, source);
  const again = `npm run models -- pull ${id}`;
  const found = await verifyCached(folder);
  if (!found && (await sizeOf(join(folder, 'config.json'))) === undefined)
    throw new ModelLoadError(
      'source_not_found',
      `${id} isn't in the cache (${cacheDir}). Fetch it: ${again}`,
    );
  if (!found) return print(`files: fetched by another program, not checked. To check them: ${again}`);
  const { files, bytes, damaged, missing } = found;
  if (damaged.length > 0)
    throw new ModelLoadError(
      'model_corrupt',
      `Of ${id} in ${folder}, ${damaged.join(', ')} ${damaged.length === 1 ? "isn't" : "aren't"} what the hub described. Fetch ` +
        `${damaged.length === 1 ? 'it' : 'them'} again: ${again}`,
    );
  if (missing.length > 0)
    throw new ModelLoadError(
      'source_not_found',
      `Of ${id} in ${folder}, ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} yet to be fetched. Go on with it: ${again}`,
    );
  print(`files: ${files} with ${formatBytes(bytes)}, all as the hub described them`);
}

async function tryLoad(
  spec: ModelSpec,
  hub: HubOptions,
): Promise<{ info: LoadedModelInfo; rss: number | undefined }> {
  const engine = new EngineProcess();
  try {
    const info = await engine.load(spec, hub, {
      avoid: [],
      onProgress: () => undefined,
      onCondition: () => undefined,
    });
    const stats = await engine.stats();
    return { info, rss: stats?.rss };
  } finally {
    await engine.stop();
  }
}

function memoryText(rss: number | undefined): string {
  return rss === undefined ? '' : `; its process takes ${formatBytes(rss)}`;
}
