import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { PreTrainedModel } from '@huggingface/transformers';
import type { InferenceSession } from 'onnxruntime-node';
import { ModelLoadError } from '../errors.js';
import { explainFailedSession } from '../placement/session-error.js';
import type { ConcreteDevice, ConcreteDtype, HubOptions, ModelSpec } from '../types.js';
import { explainUnloadableOnnx, onnxFile } from './model-folder.js';

/** What is to be loaded, and how. */
export interface WeightsRequest {
  readonly spec: ModelSpec;
  /** Where all its files are. */
  readonly folder: string;
  readonly device: ConcreteDevice;
  readonly dtype: ConcreteDtype;
  readonly hub: HubOptions;
}

/** A class of Transformers.js that finds the one that fits a model. */
export interface AutoClass {
  from_pretrained(
    location: string,
    options: {
      device: ConcreteDevice;
      dtype: ConcreteDtype;
      session_options: InferenceSession.SessionOptions;
    },
  ): Promise<PreTrainedModel>;
}

/** @throws ModelLoadError: one sentence that says what is wrong and what to do */
export async function loadPretrained(
  autoClass: AutoClass,
  { spec, folder, device, dtype }: WeightsRequest,
): Promise<PreTrainedModel> {
  try {
    return await autoClass.from_pretrained(folder, {
      device,
      dtype,
      session_options: sessionOptions(spec),
    });
  } catch (error) {
    if (error instanceof ModelLoadError) throw error;
    const explained = explainFailedSession({ source: spec.source, device, dtype }, error);
    if (explained) throw explained;
    const path = join(folder, onnxFile(dtype));
    throw new ModelLoadError('model_corrupt', explainUnloadableOnnx(path, error), { cause: error });
  }
}

/** Undefined: the model consists of several graphs. */
export function sessionOf({ sessions }: PreTrainedModel): InferenceSession | undefined {
  return (sessions as Record<string, InferenceSession>)['model'];
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
