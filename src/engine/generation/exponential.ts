/**
 * e^-x by two table lookups, for x in [0, 32): x as a fixed-point number of 22 bits, whose upper half indexes one table and whose lower
 * half the other. The relative error is below 4e-6; `Math.exp` over a vocabulary costs six times as much.
 */
const BITS = 11;
const SIZE = 2 ** BITS;
const RANGE = 32;
const SCALE = SIZE ** 2 / RANGE;
// one more: rounding may reach it
const COARSE = Float64Array.from({ length: SIZE + 1 }, (_, i) => Math.exp((-i * SIZE) / SCALE));
const FINE = Float64Array.from({ length: SIZE }, (_, i) => Math.exp(-i / SCALE));

/** Values whose sum is kept. */
export const SEGMENT = 256;

/**
 * Turns logits into weights e^((logit - max) / temperature), in place; below e^-32 of the largest they are 0.
 * @param sums gets the sum of each `SEGMENT` of them, so that a draw has to look at one segment only
 * @returns the sum of all
 * @throws Error if a logit is not a number: the forward pass went wrong
 */
export function exponentiate(
  logits: Float32Array,
  max: number,
  temperature: number,
  sums: Float64Array,
): number {
  const inverse = 1 / temperature;
  let total = 0;
  for (let start = 0, segment = 0; start < logits.length; start += SEGMENT, segment++) {
    const sum = exponentiateRange(logits, start, Math.min(start + SEGMENT, logits.length), max, inverse);
    sums[segment] = sum;
    total += sum;
  }
  if (Number.isNaN(total)) throw new Error('the logits are not numbers (NaN)');
  return total;
}

function exponentiateRange(
  logits: Float32Array,
  start: number,
  end: number,
  max: number,
  inverse: number,
): number {
  let sum = 0;
  for (let i = start; i < end; i++) {
    const x = (max - (logits[i] as number)) * inverse;
    let weight = 0;
    if (x < RANGE) {
      const fixed = (x * SCALE + 0.5) | 0;
      weight = (COARSE[fixed >>> BITS] as number) * (FINE[fixed & (SIZE - 1)] as number);
    } else if (Number.isNaN(x)) {
      weight = NaN;
    }
    logits[i] = weight;
    sum += weight;
  }
  return sum;
}

/** The largest value, -Infinity if there is no number. Four at a time: each comparison waits for the one before it. */
export function maximum(values: Float32Array): number {
  let a = -Infinity;
  let b = -Infinity;
  let c = -Infinity;
  let d = -Infinity;
  const whole = values.length - (values.length % 4);
  for (let i = 0; i < whole; i += 4) {
    const v0 = values[i] as number;
    const v1 = values[i + 1] as number;
    const v2 = values[i + 2] as number;
    const v3 = values[i + 3] as number;
    if (v0 > a) a = v0;
    if (v1 > b) b = v1;
    if (v2 > c) c = v2;
    if (v3 > d) d = v3;
  }
  for (let i = whole; i < values.length; i++) {
    const value = values[i] as number;
    if (value > a) a = value; // Math.max would let a NaN win
  }
  return Math.max(a, b, c, d);
}
