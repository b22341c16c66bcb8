import { ModelLoadError, messageOf } from '../errors.js';
import type { LoadedModelInfo, ModelSpec } from '../types.js';

/** What the log says of a load that went well. */
export function loadedLine(name: string, info: LoadedModelInfo): string {
  return `'${name}' is resident: ${info.device}, ${info.dtype}, ${sizesOf(info)}, loaded in ${info.loadMs} ms (instance ${info.instanceId})`;
}

function sizesOf(info: LoadedModelInfo): string {
  if (info.kvCache !== undefined)
    return `context ${info.contextLength}, KV cache ${info.kvCache} for ${info.kvCacheTokens} tokens`;
  const inputs = `inputs of up to ${info.maxInputTokens} tokens`;
  if (info.dimensions !== undefined) return `${inputs}, ${info.dimensions} dimensions`;
  return info.labels === undefined ? inputs : `${inputs}, ${info.labels.length} labels`;
}

export function slowerWarning(name: string, reason: string): string {
  return `'${name}' runs one sequence at a time, because its KV cache can't be kept in place: ${reason}. Set kvCache: plain to say that this is meant.`;
}

export function loadError(spec: ModelSpec, error: unknown): ModelLoadError {
  const code = error instanceof ModelLoadError ? error.code : 'model_load_failed';
  return new ModelLoadError(code, `Model '${spec.name}': ${messageOf(error)}`, { cause: error });
}
