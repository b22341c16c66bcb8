import { ModelLoadError } from '../errors.js';
import type { ConcreteDevice, ConcreteDtype, Dtype } from '../types.js';
import { DTYPE_PREFERENCE } from './dtype-preference.js';

/**
 * The weights that may be taken, the best first; an explicit choice is the only one.
 * @param available what the model has files for
 * @throws ModelLoadError if an explicit dtype isn't there, or nothing is
 */
export function chooseDtypes(
  asked: Dtype,
  available: readonly ConcreteDtype[],
  device: ConcreteDevice,
): ConcreteDtype[] {
  if (asked !== 'auto') {
    if (available.includes(asked)) return [asked];
    throw new ModelLoadError(
      'weights_not_found',
      `The model has no weights of dtype '${asked}'. Available: ${available.join(', ') || 'none'}; or set dtype: auto.`,
    );
  }
  const order = DTYPE_PREFERENCE[device].filter((dtype) => available.includes(dtype));
  if (order.length > 0) return order;
  throw new ModelLoadError(
    'weights_not_found',
    'The model has no ONNX weights in any dtype that Transformers.js knows. Take an export for it, for example from onnx-community.',
  );
}
