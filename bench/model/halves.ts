import { toHalf } from './quantize.js';

/** The largest number that float16 has. */
const LARGEST = 65_504;

/** float32 to the bits of float16; what is too large becomes the largest number. */
export function toHalves(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    const bits = toHalf(Math.min(Math.abs(value), LARGEST));
    return value < 0 ? bits | 0x8000 : bits;
  });
}
