import { readModelOutline } from '../onnx/model-outline.js';

/** What graphs in 8 bits per column consist of; providers for GPUs have no code for some of them. */
const INTEGER_OPERATORS: ReadonlySet<string> = new Set([
  'DynamicQuantizeLinear',
  'DynamicQuantizeMatMul',
  'MatMulInteger',
  'MatMulIntegerToFloat',
  'QLinearMatMul',
]);

/**
 * An operator because of which a graph runs in part on the CPU wherever it is: each of its matrices crosses over and back, which takes
 * longer than to stay there. 8 bits in blocks (MatMulNBits) are none.
 * @returns undefined: there is none, or the file can't be read, which ONNX Runtime then explains
 */
export function cpuOperatorIn(modelFile: string): string | undefined {
  try {
    return readModelOutline(modelFile).graph?.node.find(({ opType }) => INTEGER_OPERATORS.has(opType))
      ?.opType;
  } catch {
    return undefined;
  }
}
