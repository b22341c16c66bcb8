import type { Matrix } from './weights.js';

/** Values that share a scale, in ONNX Runtime's MatMulNBits and in llama.cpp's Q8_0. */
export const BLOCK = 32;

export interface BlockQuantized {
  /** `[outputs, inputs / 32, 32]` */
  readonly values: Uint8Array;
  /** `[outputs, inputs / 32]` */
  readonly scales: Float32Array;
}

/** As MatMulNBits takes 8 bits: a scale for every 32 inputs of an output, 128 standing for 0. */
export function quantizeBlocks({ values }: Matrix): BlockQuantized {
  const quantized = new Uint8Array(values.length);
  const scales = new Float32Array(values.length / BLOCK);
  for (let block = 0; block < scales.length; block++) {
    const from = block * BLOCK;
    const scale = largest(values, from, from + BLOCK) / 127 || 1;
    scales[block] = scale;
    for (let i = from; i < from + BLOCK; i++) quantized[i] = Math.round((values[i] as number) / scale) + 128;
  }
  return { values: quantized, scales };
}

export interface ColumnQuantized {
  /** `[inputs, outputs]` */
  readonly values: Int8Array;
  /** `[outputs]` */
  readonly scales: Float32Array;
}

/** As DynamicQuantizeMatMul takes them: a scale for every output, transposed. */
export function quantizeColumns({ values, outputs, inputs }: Matrix): ColumnQuantized {
  const quantized = new Int8Array(values.length);
  const scales = new Float32Array(outputs);
  for (let output = 0; output < outputs; output++) {
    const from = output * inputs;
    const scale = largest(values, from, from + inputs) / 127 || 1;
    scales[output] = scale;
    for (let input = 0; input < inputs; input++) {
      quantized[input * outputs + output] = Math.round((values[from + input] as number) / scale);
    }
  }
  return { values: quantized, scales };
}

/** `[inputs, outputs]`, as MatMul takes it. */
export function transpose({ values, outputs, inputs }: Matrix): Float32Array {
  const transposed = new Float32Array(values.length);
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      transposed[input * outputs + output] = values[output * inputs + input] as number;
    }
  }
  return transposed;
}

/** llama.cpp's Q8_0: of every 32 values the scale in half precision, then the values as int8. */
export function quantizeQ8_0({ values }: Matrix): Uint8Array {
  const bytes = new Uint8Array((values.length / BLOCK) * (BLOCK + 2));
  const view = new DataView(bytes.buffer);
  for (let from = 0, at = 0; from < values.length; from += BLOCK, at += BLOCK + 2) {
    const scale = largest(values, from, from + BLOCK) / 127;
    view.setUint16(at, toHalf(scale), true);
    for (let i = 0; i < BLOCK; i++) {
      view.setInt8(at + 2 + i, scale === 0 ? 0 : Math.round((values[from + i] as number) / scale));
    }
  }
  return bytes;
}

/** The bits of IEEE 754 binary16, of a number that isn't negative: rounded to the nearest, exact enough for a scale. */
export function toHalf(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.max(Math.floor(Math.log2(value)), -14);
  const fraction = Math.round((value / 2 ** exponent) * 1024);
  // a fraction of 1024 and more carries the implicit one, which is the lowest bit of the exponent
  return Math.min(((exponent + 14) << 10) + fraction, 0x7bff);
}

function largest(values: Float32Array, from: number, to: number): number {
  let most = 0;
  for (let i = from; i < to; i++) most = Math.max(most, Math.abs(values[i] as number));
  return most;
}
