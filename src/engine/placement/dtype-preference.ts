import type { ConcreteDevice, ConcreteDtype } from '../types.js';

/**
 * On a GPU: half precision runs best; then 4 bits, which save memory; graphs in 8 bits run in part on the CPU; fp32 takes twice the memory
 * and time of fp16 for the same texts, so it comes last, and only with a warning.
 */
const GPU = [
  'fp16',
  'q4f16',
  'q4',
  'q2f16',
  'q2',
  'q1f16',
  'q1',
  'q8',
  'int8',
  'uint8',
  'bnb4',
  'fp32',
] as const satisfies readonly ConcreteDtype[];

/** What `dtype: auto` takes: the first that the model has and that fits. The table in docs/devices.md says the same. */
export const DTYPE_PREFERENCE: Readonly<Record<ConcreteDevice, readonly ConcreteDtype[]>> = {
  // from the fastest on a CPU that keeps the model's quality to what works at all
  cpu: ['q8', 'int8', 'uint8', 'fp32', 'q4', 'fp16', 'q4f16', 'bnb4', 'q2', 'q2f16', 'q1', 'q1f16'],
  cuda: GPU,
  webgpu: GPU,
  coreml: GPU,
  dml: GPU,
};

/** Whether sums are in half precision, too: what overflows there may be right in another dtype. */
export function isHalfPrecision(dtype: ConcreteDtype): boolean {
  return dtype.endsWith('f16') || dtype === 'fp16';
}
