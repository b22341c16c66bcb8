import {
  AutoTokenizer,
  LogLevel,
  ModelRegistry,
  env,
  type PreTrainedTokenizer,
} from '@huggingface/transformers';
import { listSupportedBackends } from 'onnxruntime-node';
import { ModelLoadError, messageOf } from '../errors.js';
import type { ConcreteDevice, ConcreteDtype, Dtype, HubOptions, ModelSpec } from '../types.js';
import { checkModelFolder, dtypesInFolder } from './model-folder.js';
import type { ModelSource } from './model-source.js';
import { pretrainedOptions } from './pretrained.js';

/** @throws ModelLoadError */
export async function loadTokenizer(source: ModelSource, spec: ModelSpec): Promise<PreTrainedTokenizer> {
  const { location, options } = pretrainedOptions(source);
  try {
    return await AutoTokenizer.from_pretrained(location, options);
  } catch (error) {
    throw new ModelLoadError(
      'tokenizer_not_found',
      `The tokenizer of '${spec.source}' can't be loaded: ${messageOf(error)}.`,
      {
        cause: error,
      },
    );
  }
}

export function configureTransformers(source: ModelSource, hub: HubOptions): void {
  env.logLevel = LogLevel.ERROR;
  env.cacheDir = hub.cacheDir;
  env.remoteHost = hub.endpoint;
  // a folder is complete by itself: no network, no second copy of it in the cache
  env.allowRemoteModels = source.kind === 'hub';
  env.useFSCache = source.kind === 'hub';
}

/** What this build of ONNX Runtime can try; whether the hardware and its libraries are there shows when a session is made. */
export function devicesHere(): ConcreteDevice[] {
  const known: readonly string[] = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] satisfies ConcreteDevice[];
  return listSupportedBackends()
    .map(({ name }) => name)
    .filter((name): name is ConcreteDevice => known.includes(name));
}

/**
 * The dtypes that a model has weights in. Where the hub can't be asked, those in the cache, if what is asked for is among them.
 * @throws ModelLoadError if the model isn't there, or its files are incomplete
 */
export async function availableDtypes(source: ModelSource, asked: Dtype): Promise<ConcreteDtype[]> {
  switch (source.kind) {
    case 'folder':
      checkModelFolder(source.path);
      return dtypesInFolder(source.path);
    case 'hub':
      try {
        return await dtypesInRepository(source, false);
      } catch (error) {
        const cached = await dtypesInRepository(source, true).catch((): ConcreteDtype[] => []);
        if (asked === 'auto' ? cached.length > 0 : cached.includes(asked)) return cached;
        throw new ModelLoadError(
          'source_not_found',
          `There is no folder '${source.id}' here, and the model ${source.id} can't be had from ${env.remoteHost}: ` +
            `${messageOf(error)}. Check the name, the network, and HF_TOKEN if the model is gated.`,
          { cause: error },
        );
      }
    default:
      return source satisfies never;
  }
}

async function dtypesInRepository(
  { id, revision }: Extract<ModelSource, { kind: 'hub' }>,
  cachedOnly: boolean,
): Promise<ConcreteDtype[]> {
  const dtypes = await ModelRegistry.get_available_dtypes(id, { revision, local_files_only: cachedOnly });
  return dtypes as ConcreteDtype[];
}
