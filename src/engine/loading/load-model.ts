import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  LogLevel,
  ModelRegistry,
  env,
  type PreTrainedModel,
} from '@huggingface/transformers';
import { listSupportedBackends, type InferenceSession } from 'onnxruntime-node';
import { ModelLoadError, messageOf } from '../errors.js';
import { OnnxCausalModel, type KvCache } from '../generation/onnx-causal-model.js';
import { argmax } from '../generation/sampler.js';
import { TextGenerator } from '../generation/text-generator.js';
import type { LoadReport } from '../protocol.js';
import type { ConcreteDevice, ConcreteDtype, HubOptions, ModelSpec } from '../types.js';
import { chooseDevice, chooseDtype, explainUnusableDevice } from './choose.js';
import { checkModelFolder, dtypesInFolder, explainUnloadableOnnx, onnxFile } from './model-folder.js';
import { parseModelSource, type ModelSource } from './model-source.js';
import { readModelSettings, type ModelSettings } from './model-settings.js';
import { createCodec } from './transformers-codec.js';

export interface LoadedModel {
  readonly generator: TextGenerator<KvCache>;
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
  const { location, options } = pretrainedOptions(source);
  const tokenizer = await AutoTokenizer.from_pretrained(location, options).catch((error: unknown) => {
    throw new ModelLoadError(`The tokenizer of '${spec.source}' can't be loaded: ${messageOf(error)}.`, {
      cause: error,
    });
  });
  const model = await loadWeights(source, spec, device, dtype);
  const settings = readModelSettings(model, tokenizer);
  const causalModel = await warmUp(wrapSession(model, spec), settings, spec);
  const instanceId = randomUUID();
  const generator = new TextGenerator({
    instanceId,
    model: causalModel,
    codec: createCodec(tokenizer, settings.beginOfSequence),
    ...settings,
  });
  const report = {
    instanceId,
    loadedAt: new Date().toISOString(),
    device,
    dtype,
    contextLength: settings.contextLength,
    pid: process.pid,
  };
  return { generator, report };
}

/** A model counts as loaded when it has run one token, not before: a graph can be read and still not run. */
async function warmUp(
  model: OnnxCausalModel,
  { beginOfSequence }: ModelSettings,
  { source }: ModelSpec,
): Promise<OnnxCausalModel> {
  try {
    argmax(await model.forward(model.createCache(), [beginOfSequence ?? 0]));
    return model;
  } catch (error) {
    throw new ModelLoadError(`'${source}' was loaded but can't run: ${messageOf(error)}.`, { cause: error });
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

function pretrainedOptions(source: ModelSource): { location: string; options: { revision?: string } } {
  return source.kind === 'folder'
    ? { location: source.path, options: {} }
    : { location: source.id, options: { revision: source.revision } };
}

async function loadWeights(
  source: ModelSource,
  spec: ModelSpec,
  device: ConcreteDevice,
  dtype: ConcreteDtype,
): Promise<PreTrainedModel> {
  const { location, options } = pretrainedOptions(source);
  try {
    return await AutoModelForCausalLM.from_pretrained(location, {
      ...options,
      device,
      dtype,
      session_options: sessionOptions(spec),
    });
  } catch (error) {
    if (device !== 'cpu') throw new ModelLoadError(explainUnusableDevice(device, error), { cause: error });
    const path =
      source.kind === 'folder' ? join(source.path, onnxFile(dtype)) : `${source.id}/${onnxFile(dtype)}`;
    throw new ModelLoadError(explainUnloadableOnnx(path, error), { cause: error });
  }
}

function sessionOptions({ threads }: ModelSpec): InferenceSession.SessionOptions {
  return {
    // ONNX Runtime would count the host's cores, not the container's
    intraOpNumThreads: threads ?? availableParallelism(),
    // threads that spin between two operators take the cores that the server needs to send what they made: on two cores a
    // fifth of the throughput
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
}

function wrapSession(model: PreTrainedModel, spec: ModelSpec): OnnxCausalModel {
  const sessions = model.sessions as Record<string, InferenceSession>;
  try {
    const session = sessions['model'];
    if (session === undefined) throw new Error('it consists of several graphs');
    return new OnnxCausalModel(session);
  } catch (error) {
    throw new ModelLoadError(
      `'${spec.source}' is not a decoder-only text-generation model: ${messageOf(error)}.`,
      { cause: error },
    );
  }
}
