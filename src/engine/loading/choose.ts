import { ModelLoadError, messageOf } from '../errors.js';
import type { ConcreteDevice, ConcreteDtype, Device, Dtype } from '../types.js';

/** From the fastest on a CPU that keeps the model's quality to what works at all. */
const CPU_PREFERENCE: readonly ConcreteDtype[] = [
  'q8',
  'int8',
  'uint8',
  'fp32',
  'q4',
  'fp16',
  'q4f16',
  'bnb4',
  'q2',
  'q2f16',
  'q1',
  'q1f16',
];

/**
 * @param available what this machine's ONNX Runtime offers
 * @throws ModelLoadError if an explicit device isn't there: an explicit choice never falls back
 */
export function chooseDevice(asked: Device, available: readonly ConcreteDevice[]): ConcreteDevice {
  if (asked === 'auto') return 'cpu';
  if (available.includes(asked)) return asked;
  throw new ModelLoadError(
    'device_unavailable',
    `Device '${asked}' is not available here. Available: ${available.join(', ')}; or set device: auto.`,
  );
}

/**
 * @param available what the model has files for
 * @throws ModelLoadError if an explicit dtype isn't there
 */
export function chooseDtype(asked: Dtype, available: readonly ConcreteDtype[]): ConcreteDtype {
  if (asked !== 'auto') {
    if (available.includes(asked)) return asked;
    throw new ModelLoadError(
      'weights_not_found',
      `The model has no weights of dtype '${asked}'. Available: ${available.join(', ') || 'none'}; or set dtype: auto.`,
    );
  }
  const best = CPU_PREFERENCE.find((dtype) => available.includes(dtype));
  if (best === undefined)
    throw new ModelLoadError(
      'weights_not_found',
      'The model has no ONNX weights in any dtype that Transformers.js knows.',
    );
  return best;
}

/** ONNX Runtime knows the device, but could not make a session on it. */
export function explainUnusableDevice(device: ConcreteDevice, error: unknown): string {
  // its messages begin with the source file and the failed check
  const reason =
    messageOf(error)
      .split('\n', 1)[0]
      ?.replace(/^\/onnxruntime_src\/.*? was false\. /, '') ?? '';
  const remedy =
    device === 'cuda'
      ? ' (for CUDA: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false)'
      : '';
  return `Device '${device}' can't be used here: ${reason.replace(/\.$/, '')}${remedy}. Available: cpu; or set device: auto.`;
}
