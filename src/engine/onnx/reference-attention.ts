import type { Heads } from './block-attention.js';
import { elements, floats, type ProbeTensor } from './probe/tensor.js';
import type { ScoreSteps } from './score-path.js';

/** Small numbers to try one layer's attention with. */
export interface ProbeOperands {
  /** `[1, heads, new, headDim]` */
  readonly query: ProbeTensor;
  /** `[1, kvHeads, past + new, headDim]`; the last two the other way round where a graph caches keys so. */
  readonly cachedKeys: ProbeTensor;
  readonly cachedValues: ProbeTensor;
}

interface Sizes extends Heads {
  readonly newTokens: number;
  readonly past: number;
}

/** The same numbers for the same sizes. */
export function probeOperands(sizes: Sizes, transposedKeys: boolean): ProbeOperands {
  const { heads, kvHeads, headDim, newTokens, past } = sizes;
  const total = past + newTokens;
  const cached = [1, kvHeads, total, headDim];
  const keys = wave(kvHeads * total * headDim, 0.7);
  const stored = transposedKeys ? transposeLast(keys, total, headDim) : keys;
  return {
    query: floats(wave(heads * newTokens * headDim, 0.3), [1, heads, newTokens, headDim]),
    cachedKeys: floats(stored, transposedKeys ? [1, kvHeads, headDim, total] : cached),
    cachedValues: floats(wave(kvHeads * total * headDim, 1.1), cached),
  };
}

/** Numbers in -1 to 1 that do not repeat. */
function wave(length: number, phase: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => Math.sin(phase + i * (12.9898 + phase)));
}

function transposeLast(data: Float64Array, rows: number, columns: number): Float64Array {
  const size = rows * columns;
  return data.map((_, i) => {
    const at = i % size;
    return data[i - at + (at % rows) * columns + Math.floor(at / rows)]!;
  });
}

/** Whether a graph's result for {@link probeOperands} is causal attention: `[1, heads, new, headDim]`. */
export function isAttentionOf(sizes: Sizes, steps: ScoreSteps, result: ProbeTensor): boolean {
  const { heads, newTokens, headDim } = sizes;
  const expectedDims = [1, heads, newTokens, headDim];
  if (
    result.dims.length !== expectedDims.length ||
    expectedDims.some((dim, axis) => dim !== result.dims[axis])
  ) {
    return false;
  }
  const actual = elements(result);
  return attend(sizes, steps).every((value, i) => Math.abs(value - actual[i]!) < 1e-6);
}

function attend(sizes: Sizes, { scale, softcap }: ScoreSteps): Float64Array {
  const { heads, kvHeads, headDim, newTokens, past } = sizes;
  const operands = probeOperands(sizes, false);
  const query = elements(operands.query);
  const keys = elements(operands.cachedKeys);
  const values = elements(operands.cachedValues);
  const total = past + newTokens;
  const out = new Float64Array(query.length);
  for (let row = 0; row < heads * newTokens; row++) {
    const head = Math.floor(row / newTokens);
    const start = Math.floor(head / (heads / kvHeads)) * total * headDim;
    const seen = past + (row % newTokens) + 1;
    const weights = Array.from({ length: seen }, (_, j) => {
      let score = 0;
      for (let d = 0; d < headDim; d++) score += query[row * headDim + d]! * keys[start + j * headDim + d]!;
      return Math.exp(softcap === 0 ? score * scale : softcap * Math.tanh((score * scale) / softcap));
    });
    const sum = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, j) => {
      for (let d = 0; d < headDim; d++) {
        out[row * headDim + d]! += (weight / sum) * values[start + j * headDim + d]!;
      }
    });
  }
  return out;
}
