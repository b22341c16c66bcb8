import { randomUUID } from 'node:crypto';
import {
  AutoTokenizer,
  LogLevel,
  ModelRegistry,
  env,
  type PreTrainedTokenizer,
} from '@huggingface/transformers';
import { listSupportedBackends } from 'onnxruntime-node';
import { ModelLoadError, messageOf } from '../errors.js';
import { TextGenerator } from '../generation/text-generator.js';
import { InPlaceCausalModel } from '../models/in-place-causal-model.js';
import type { PlainCausalModel } from '../models/plain-causal-model.js';
import type { LoadReport } from '../protocol.js';
import { PromptEncoder } from '../tokenization/prompt-encoder.js';
import type { ConcreteDevice, ConcreteDtype, HubOptions, ModelSpec } from '../types.js';
import { probeBatchEffect } from './batch-invariance.js';
import { chooseDevice, chooseDtype } from './choose.js';
import { resolveLimits } from './limits.js';
import { checkModelFolder, dtypesInFolder } from './model-folder.js';
import { readModelSettings } from './model-settings.js';
import { parseModelSource, type ModelSource } from './model-source.js';
import { createCodec } from './transformers-codec.js';
import { createCausalModel, loadWeights, pretrainedOptions } from './weights.js';

export interface LoadedModel {
  readonly generator: Pick<TextGenerator, 'submit' | 'cancel'>;
  readonly report: LoadReport;
}

/**
 * Loads tokenizer and weights through Transformers.js, once, and wraps them for generation.
 * @throws ModelLoadError: one sentence that says what is wrong and what to do
 */
export async function loadModel(spec: ModelSpec, hub: HubOptions): Promise<LoadedModel> {
  const source = parseModelSource(spec.source);
  configureTransformers(source, hub);
  const device = chooseDevice(spec.device, devicesHere());
  const dtype = chooseDtype(spec.dtype, await availableDtypes(source));
  const tokenizer = await loadTokenizer(source, spec);
  // while the weights load
  const encoder = new PromptEncoder(tokenizer);
  const encoderReady = encoder.warmUp().catch((error: unknown) => {
    throw new ModelLoadError(`The tokenizer of '${spec.source}' can't be used: ${messageOf(error)}`, {
      cause: error,
    });
  });
  encoderReady.catch(() => undefined); // awaited below, if the weights load
  const weights = await loadWeights({ spec, source, device, dtype, hub });
  const settings = readModelSettings(weights.pretrained, tokenizer);
  const model = createCausalModel(weights, spec, settings.contextLength);
  const batchInvariant = await tryOut(model, spec);
  await encoderReady;
  const instanceId = randomUUID();
  const options = {
    instanceId,
    limits: resolveLimits(spec),
    codec: createCodec(tokenizer, settings.beginOfSequence),
    encoder,
    ...settings,
  };
  const generator =
    model instanceof InPlaceCausalModel
      ? new TextGenerator({ ...options, model })
      : new TextGenerator({ ...options, model });
  const report = {
    instanceId,
    loadedAt: new Date().toISOString(),
    device,
    dtype,
    contextLength: settings.contextLength,
    kvCache: weights.kvCache,
    kvCacheReason: weights.kvCache === 'plain' ? weights.reason : undefined,
    kvCacheTokens: model.blocks * model.blockTokens,
    batchInvariant,
    pid: process.pid,
  };
  return { generator, report };
}

/**
 * A model counts as loaded when it has run tokens, not before: a graph can be read and still not run.
 * @returns whether what runs beside a sequence changes nothing for it
 */
async function tryOut(model: InPlaceCausalModel | PlainCausalModel, { source }: ModelSpec): Promise<boolean> {
  try {
    if (!(model instanceof InPlaceCausalModel)) {
      await probeBatchEffect(model);
      return true; // one sequence in a pass
    }
    const effect = await probeBatchEffect(model);
    model.runsAlone = effect !== 'alone';
    return effect !== 'all';
  } catch (error) {
    throw new ModelLoadError(`'${source}' was loaded but can't run: ${messageOf(error)}.`, { cause: error });
  }
}

async function loadTokenizer(source: ModelSource, spec: ModelSpec): Promise<PreTrainedTokenizer> {
  const { location, options } = pretrainedOptions(source);
  try {
    return await AutoTokenizer.from_pretrained(location, options);
  } catch (error) {
    throw new ModelLoadError(`The tokenizer of '${spec.source}' can't be loaded: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

function configureTransformers(source: ModelSource, hub: HubOptions): void {
  env.logLevel = LogLevel.ERROR;
  env.cacheDir = hub.cacheDir;
  env.remoteHost = hub.endpoint;
  // a folder is complete by itself: no network, no second copy of it in the cache
  env.allowRemoteModels = source.kind === 'hub';
  env.useFSCache = source.kind === 'hub';
}

/** What this build of ONNX Runtime can try; whether the hardware and its libraries are there shows when a session is made. */
function devicesHere(): ConcreteDevice[] {
  const known: readonly string[] = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] satisfies ConcreteDevice[];
  return listSupportedBackends()
    .map(({ name }) => name)
    .filter((name): name is ConcreteDevice => known.includes(name));
}

async function availableDtypes(source: ModelSource): Promise<ConcreteDtype[]> {
  switch (source.kind) {
    case 'folder':
      checkModelFolder(source.path);
      return dtypesInFolder(source.path);
    case 'hub':
      try {
        return (await ModelRegistry.get_available_dtypes(source.id, {
          revision: source.revision,
        })) as ConcreteDtype[];
      } catch (error) {
        throw new ModelLoadError(
          `There is no folder '${source.id}' here, and the model ${source.id} can't be had from ${env.remoteHost}: ` +
            `${messageOf(error)}. Check the name, the network, and HF_TOKEN if the model is gated.`,
          { cause: error },
        );
      }
    default:
      return source satisfies never;
  }
}
