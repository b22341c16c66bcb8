import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { PreTrainedModel } from '@huggingface/transformers';
import type { InferenceSession } from 'onnxruntime-node';
import { ModelLoadError } from '../errors.js';
import type { ConcreteDevice, ConcreteDtype, HubOptions, ModelSpec } from '../types.js';
import { explainUnusableDevice } from './choose.js';
import { explainUnloadableOnnx, onnxFile } from './model-folder.js';
import type { ModelSource } from './model-source.js';

/** What is to be loaded, and how. */
export interface WeightsRequest {
  readonly spec: ModelSpec;
  readonly source: ModelSource;
  readonly device: ConcreteDevice;
  readonly dtype: ConcreteDtype;
  readonly hub: HubOptions;
}

/** A class of Transformers.js that finds the one that fits a model. */
export interface AutoClass {
  from_pretrained(
    location: string,
    options: {
      revision?: string;
      device: ConcreteDevice;
      dtype: ConcreteDtype;
      session_options: InferenceSession.SessionOptions;
    },
  ): Promise<PreTrainedModel>;
}

/** @throws ModelLoadError: one sentence that says what is wrong and what to do */
export async function loadPretrained(
  autoClass: AutoClass,
  { spec, source, device, dtype }: WeightsRequest,
): Promise<PreTrainedModel> {
  const { location, options } = pretrainedOptions(source);
  try {
    return await autoClass.from_pretrained(location, {
      ...options,
      device,
      dtype,
      session_options: sessionOptions(spec),
    });
  } catch (error) {
    if (error instanceof ModelLoadError) throw error;
    if (device !== 'cpu')
      throw new ModelLoadError('device_unavailable', explainUnusableDevice(device, error), { cause: error });
    const path =
      source.kind === 'folder' ? join(source.path, onnxFile(dtype)) : `${source.id}/${onnxFile(dtype)}`;
    throw new ModelLoadError('model_corrupt', explainUnloadableOnnx(path, error), { cause: error });
  }
}

/** Undefined: the model consists of several graphs. */
export function sessionOf({ sessions }: PreTrainedModel): InferenceSession | undefined {
  return (sessions as Record<string, InferenceSession>)['model'];
}

/** What Transformers.js is asked for. */
export function pretrainedOptions(source: ModelSource): {
  location: string;
  options: { revision?: string };
} {
  return source.kind === 'folder'
    ? { location: source.path, options: {} }
    : { location: source.id, options: { revision: source.revision } };
}

function sessionOptions({ threads }: ModelSpec): InferenceSession.SessionOptions {
  return {
    // ONNX Runtime would count the host's cores, not the container's
    intraOpNumThreads: threads ?? availableParallelism(),
    // how long threads wait for the next operator awake. Not at all costs a quarter of the speed of one sequence; the default, a
    // millisecond, takes the cores from the server that has to send what they made, and doubles a step where others need them
    extra: { session: { intra_op: { allow_spinning: '1', spin_duration_us: '20' } } },
  };
}
