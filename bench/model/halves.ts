/** float32 to the bits of IEEE 754 binary16, rounded to nearest even; what is too large becomes the largest number. */
export function toHalves(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) halves[i] = toHalf(bits[i] as number);
  return halves;
}

const LARGEST = 0x7bff;

function toHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const fraction = bits & 0x7fffff;
  if (exponent >= 31) return sign | (exponent === 143 && fraction !== 0 ? 0x7e00 : LARGEST);
  if (exponent > 0) return sign | Math.min(rounded((exponent << 23) | fraction, 13), LARGEST);
  // below the normal numbers; too small for any is 0
  return exponent < -10 ? sign : sign | rounded(fraction | 0x800000, 14 - exponent);
}

/** `value / 2^shift`, to nearest even. */
function rounded(value: number, shift: number): number {
  const quotient = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return quotient + Number(rest > middle || (rest === middle && (quotient & 1) === 1));
}
