import { Tensor } from 'onnxruntime-node';

/** Zeros where nothing is set. Values up to 2^31 - 1. */
export function int64(
  dims: readonly number[],
  fill: (set: (index: number, value: number) => void) => void,
): Tensor {
  const data = new BigInt64Array(dims.reduce((product, dim) => product * dim, 1));
  // the lower halves: without a BigInt for each value
  const low = new Int32Array(data.buffer);
  fill((index, value) => {
    low[2 * index] = value;
  });
  return new Tensor('int64', data, dims);
}
