import { Tensor } from 'onnxruntime-node';
import { int64 } from '../int64-tensor.js';

/** One sequence in a pass of the in-place graph. */
export interface PassRow {
  readonly tokens: readonly number[];
  /** Tokens of its past that are in its blocks, in order. */
  readonly past: number;
  /** Its blocks, as indices of those that the pass is fed with. */
  readonly blocks: readonly number[];
}

/** Added to a score, it makes its probability 0. */
const MASKED = -1e9;

/**
 * The inputs of the in-place graph besides the cache. B rows run S new tokens each (shorter rows are filled up on the right, which
 * changes nothing for them); the longest past has M blocks of T tokens.
 * @param blockTokens T
 * @param blockCount all blocks that the pass is fed with; each belongs to one row
 */
export function passInputs(
  rows: readonly PassRow[],
  blockTokens: number,
  blockCount: number,
): Record<string, Tensor> {
  const steps = longest(rows.map(({ tokens }) => tokens));
  const width = Math.max(1, longest(rows.map(({ blocks }) => blocks)));
  const B = rows.length;
  return {
    input_ids: int64([B, steps], (set) =>
      rows.forEach(({ tokens }, row) => tokens.forEach((token, i) => set(row * steps + i, token))),
    ),
    position_ids: int64([B, steps], (set) =>
      rows.forEach(({ past }, row) => {
        for (let i = 0; i < steps; i++) set(row * steps + i, past + i);
      }),
    ),
    last: int64([B, 1, 1], (set) => rows.forEach(({ tokens }, row) => set(row, tokens.length - 1))),
    mask: maskOf(rows, steps, width * blockTokens),
    ...blockInputs(rows, width, blockCount),
  };
}

/** The longest of these lists. */
export function longest(lists: readonly (readonly unknown[])[]): number {
  return lists.reduce((most, { length }) => Math.max(most, length), 0);
}

/**
 * `[B, 1, S, S + past]`: first the new tokens, of which each sees those up to itself, then the past. In this order what a row is
 * filled up with comes last, so that its sums are the same whatever the others' lengths are.
 */
function maskOf(rows: readonly PassRow[], steps: number, past: number): Tensor {
  const columns = steps + past;
  const mask = new Float32Array(rows.length * steps * columns).fill(MASKED);
  let start = 0;
  for (const row of rows) {
    for (let step = 0; step < steps; step++) {
      mask.fill(0, start, start + step + 1);
      mask.fill(0, start + steps, start + steps + row.past);
      start += columns;
    }
  }
  return new Tensor('float32', mask, [rows.length, 1, steps, columns]);
}

/** Which block is whose, in both directions. */
function blockInputs(rows: readonly PassRow[], width: number, count: number): Record<string, Tensor> {
  const B = rows.length;
  const valid = new Float32Array(B * width);
  rows.forEach(({ blocks }, row) => valid.fill(1, row * width, row * width + blocks.length));
  const each = (visit: (block: number, row: number, slot: number) => void): void =>
    rows.forEach(({ blocks }, row) => blocks.forEach((block, i) => visit(block, row, row * width + i)));
  return {
    valid: new Tensor('float32', valid, [B, 1, width]),
    // filled up with a block of the row's own: weighed with 0, but 0 times another row's NaN would be NaN
    table: int64([B, width], (set) =>
      rows.forEach(({ blocks }, row) => {
        for (let i = 0; i < width; i++) set(row * width + i, blocks[i] ?? blocks[0] ?? 0);
      }),
    ),
    block_row: int64([count], (set) => each((block, row) => set(block, row))),
    block_slot: int64([count], (set) => each((block, _, slot) => set(block, slot))),
  };
}
