import { ModelLoadError } from '../errors.js';
import type { ConcreteDevice, ConcreteDtype } from '../types.js';
import { CUDA_REMEDY } from './devices.js';
import { isOutOfMemory, reasonOf, unknownArchitecture, unsupportedGraphReason } from './failures.js';

/** What a session was to be made of. */
export interface SessionRequest {
  /** As the configuration has it. */
  readonly source: string;
  readonly device: ConcreteDevice;
  readonly dtype: ConcreteDtype;
}

/**
 * Why a session could not be made, as far as it is not the file that is damaged.
 * @returns undefined: it looks like the file
 */
export function explainFailedSession(
  { source, device, dtype }: SessionRequest,
  error: unknown,
): ModelLoadError | undefined {
  const architecture = unknownArchitecture(error);
  if (architecture !== undefined)
    return new ModelLoadError(
      'model_unsupported',
      `'${source}' is of an architecture that is not supported: config.json says model_type "${architecture}". Take a model of a known ` +
        `architecture, or another task.`,
      { cause: error },
    );
  const unsupported = unsupportedGraphReason(error);
  if (unsupported !== undefined)
    return new ModelLoadError(
      'model_unsupported',
      `'${source}' can't be run in ${dtype}: ${unsupported}, which this ONNX Runtime does not know. Export it for an older opset and ` +
        `with standard operators, or take another dtype.`,
      { cause: error },
    );
  if (isOutOfMemory(error))
    return new ModelLoadError(
      'insufficient_memory',
      `There is not enough memory to load '${source}' in ${dtype} on ${device}: ${reasonOf(error)}. Free memory, or take smaller weights.`,
      { cause: error },
    );
  if (device === 'cpu') return undefined;
  const remedy = device === 'cuda' ? ` (for CUDA: ${CUDA_REMEDY})` : '';
  return new ModelLoadError(
    'device_unavailable',
    `Device '${device}' can't be used here: ${reasonOf(error)}${remedy}; set device: cpu, or auto.`,
    { cause: error },
  );
}

/** Why a model that was loaded doesn't run. A ModelLoadError stays what it is. */
export function explainFailedRun(
  { source, device }: Pick<SessionRequest, 'source' | 'device'>,
  error: unknown,
): ModelLoadError {
  // the GPU's memory for a KV cache is taken behind an error of another kind
  const cause = error instanceof ModelLoadError ? error.cause : error;
  if (isOutOfMemory(cause))
    return new ModelLoadError(
      'insufficient_memory',
      `'${source}' was loaded, but there is not enough memory to run it: ${reasonOf(cause)}. Free memory, lower kvCacheMemory or ` +
        `maxRows, or take smaller weights.`,
      { cause: error },
    );
  if (error instanceof ModelLoadError) return error;
  const remedy = device === 'cpu' ? 'Take another dtype or another export of it' : 'Set device: cpu, or auto';
  return new ModelLoadError(
    'model_unsupported',
    `'${source}' was loaded but can't run on ${device}: ${reasonOf(error)}. ${remedy}.`,
    { cause: error },
  );
}

/** Runs what needs a session, and gives it back if that fails: another device is tried in this process. */
export async function orDispose<T>(
  { dispose }: { readonly dispose: () => Promise<unknown> },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await dispose();
    throw error;
  }
}
