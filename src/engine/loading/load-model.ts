import { join } from 'node:path';
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { ModelLoadError, messageOf } from '../errors.js';
import type { CallAnswerer } from '../encoding/model-calls.js';
import type { TextGenerator } from '../generation/text-generator.js';
import { cpuOperatorIn } from '../placement/cpu-operators.js';
import { demandOf } from '../placement/demand.js';
import { findDevices } from '../placement/devices.js';
import { endProcess } from '../placement/fatal.js';
import { freeMemoryFor } from '../placement/free-memory.js';
import { thisMachine, type Machine } from '../placement/machine.js';
import { planMemory } from '../placement/memory-plan.js';
import { readModelShape } from '../placement/model-shape.js';
import { place, type Placement, type PlacementTask } from '../placement/place.js';
import type { LoadReport } from '../protocol.js';
import { PromptEncoder } from '../tokenization/prompt-encoder.js';
import type { ConcreteDevice, HubOptions, LoadContext, ModelSpec } from '../types.js';
import { loadEncoder } from './load-encoder.js';
import { loadGenerator } from './load-generator.js';
import { onnxFile } from './model-folder.js';
import { modelJsonReader } from './model-json.js';
import { openModelFiles, type ModelFiles } from './model-files.js';
import type { WeightsRequest } from './pretrained.js';
import { configureTransformers, loadTokenizer } from './transformers-files.js';

export interface LoadedModel {
  /** Of an encoder: refuses everything. */
  readonly generator: Pick<TextGenerator, 'submit' | 'cancel'>;
  readonly calls: CallAnswerer;
  readonly report: LoadReport;
  /** Gives back sessions and threads; nothing may be asked of the model any more. A process that ends need not. */
  dispose(): Promise<void>;
}

/** What every model needs besides its weights. */
interface Prepared {
  readonly tokenizer: PreTrainedTokenizer;
  /** The tokenizer in threads. */
  readonly encoder: PromptEncoder;
  /** They can be used; rejects with a ModelLoadError. To be awaited after the weights. */
  readonly encoderReady: Promise<void>;
}

/** A load whose place is chosen. */
export interface PreparedLoad extends Prepared {
  readonly request: WeightsRequest;
  readonly placement: Placement;
  readonly context: Required<LoadContext>;
}

/** Nobody is told how it goes. */
const UNATTENDED: LoadContext = { avoid: [], onProgress: () => undefined, onCondition: () => undefined };

/**
 * Loads tokenizer and weights through Transformers.js, once, where the model runs, and wraps them for what the model does.
 * @throws ModelLoadError: one sentence that says what is wrong and what to do
 */
export async function loadModel(
  spec: ModelSpec,
  hub: HubOptions,
  context: LoadContext = UNATTENDED,
  machine: Machine = thisMachine(),
): Promise<LoadedModel> {
  configureTransformers();
  const files = await openModelFiles(spec.source, hub, { onProgress: context.onProgress, asked: spec.dtype });
  const attended = { onDemand: false, ...context, onFatal: context.onFatal ?? endProcess };
  // also while it loads: nobody is to delete it meanwhile
  const release = files.hold();
  let prepared: Prepared | undefined;
  try {
    const loaded = await place({
      ...(await describeTask(spec, files, machine)),
      avoid: context.avoid,
      attempt: async (placement) => {
        const { device, dtype, plan } = placement;
        await files.fetch(dtype);
        if (spec.device === 'auto') checkOperators(placement, files.folder);
        context.onProgress({ phase: 'loading', device, dtype });
        prepared ??= await prepare(spec, files, attended.onDemand);
        const fitting = plan.cut ? { ...spec, kvCacheMemory: plan.kvCacheBytes } : spec;
        const request = { spec: fitting, folder: files.folder, device, dtype, hub };
        return loadTask({ ...prepared, request, placement, context: attended });
      },
    });
    return held(loaded, files.commit, release);
  } catch (error) {
    release();
    await prepared?.encoder.close();
    throw error;
  }
}

/** What can be had, and what it takes. */
async function describeTask(
  spec: ModelSpec,
  files: ModelFiles,
  machine: Machine,
): Promise<Omit<PlacementTask<LoadedModel>, 'avoid' | 'attempt'>> {
  const shape = readModelShape(await modelJsonReader(files.folder)('config.json'));
  const size = { spec, shape, weights: files.weights };
  // asked once for each device: a GPU's tool takes its time
  const free = new Map<ConcreteDevice, number | undefined>();
  const freeOn = (device: ConcreteDevice): number | undefined => {
    if (!free.has(device)) free.set(device, freeMemoryFor(device, machine));
    return free.get(device);
  };
  return {
    spec,
    devices: findDevices(machine),
    dtypes: [...files.weights.keys()],
    isFetched: (dtype) => files.fetched.has(dtype),
    plan: (device, dtype) =>
      planMemory(demandOf(size, device, dtype), { free: freeOn(device), most: spec.memory }),
  };
}

/** @throws ModelLoadError where the GPU would only pass the work on to the CPU */
function checkOperators({ device, dtype }: Placement, folder: string): void {
  const operator = device === 'cpu' ? undefined : cpuOperatorIn(join(folder, onnxFile(dtype)));
  if (operator === undefined) return;
  throw new ModelLoadError(
    'model_unsupported',
    `${operator} of its ${dtype} graph would run on the CPU anyway`,
  );
}

/** @param release others are told that its files are in use, until this is called */
function held(loaded: LoadedModel, commit: string | undefined, release: () => void): LoadedModel {
  return {
    ...loaded,
    report: { ...loaded.report, ...(commit === undefined ? {} : { commit }) },
    dispose: () => {
      release();
      return loaded.dispose();
    },
  };
}

async function loadTask(prepared: PreparedLoad): Promise<LoadedModel> {
  const { task } = prepared.request.spec;
  switch (task) {
    case 'text-generation':
      return loadGenerator(prepared);
    case 'feature-extraction':
    case 'text-classification':
    case 'reranking':
      return loadEncoder(prepared, task);
    default:
      return task satisfies never;
  }
}

async function prepare(
  spec: ModelSpec,
  { folder }: ModelFiles,
  onDemand: boolean | undefined,
): Promise<Prepared> {
  const tokenizer = await loadTokenizer(folder, spec);
  const encoder = new PromptEncoder(tokenizer);
  if (onDemand) return { tokenizer, encoder, encoderReady: Promise.resolve() };
  // while the weights load
  const encoderReady = encoder.warmUp().catch((error: unknown) => {
    throw new ModelLoadError(
      'tokenizer_not_found',
      `The tokenizer of '${spec.source}' can't be used: ${messageOf(error)}. Fetch it again, or take another export.`,
      {
        cause: error,
      },
    );
  });
  encoderReady.catch(() => undefined); // awaited after the weights, if they load
  return { tokenizer, encoder, encoderReady };
}
