import type { Tensor } from 'onnxruntime-node';

/** The elements of a tensor of numbers. */
export function valuesOf(tensor: Tensor | undefined): number[] {
  if (!tensor) throw new Error('there is no such tensor');
  return Array.from(tensor.data as Float32Array | BigInt64Array, Number);
}

/** Reads a tensor by its indices, and throws where they are outside. */
export function reader(tensor: Tensor | undefined): (...indices: readonly number[]) => number {
  if (!tensor) throw new Error('there is no such tensor');
  const { dims } = tensor;
  const data = tensor.data as Float32Array | BigInt64Array;
  return (...indices) => {
    let at = 0;
    for (const [axis, dim] of dims.entries()) {
      const index = indices[axis] ?? -1;
      if (index < 0 || index >= dim)
        throw new RangeError(`[${indices.join()}] is outside of [${dims.join()}]`);
      at = at * dim + index;
    }
    return Number(data[at]);
  };
}
