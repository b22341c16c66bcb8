import { Tensor } from 'onnxruntime-node';
import { int64 } from '../int64-tensor.js';

/** One sequence in a pass of the paged graph. */
export interface PagedRow {
  readonly tokens: readonly number[];
  /** Tokens of its past. */
  readonly past: number;
  /** Its blocks in order, those that the new tokens go to included. */
  readonly blocks: readonly number[];
}

/** The inputs of the paged graph besides the cache (see `PAGED_FORM`): all rows' tokens one behind the other. */
export function pagedInputs(rows: readonly PagedRow[]): Record<string, Tensor> {
  const starts = new Int32Array(rows.length + 1);
  rows.forEach(({ tokens }, row) => (starts[row + 1] = (starts[row] as number) + tokens.length));
  const total = starts[rows.length] as number;
  const start = (row: number): number => starts[row] as number;
  const width = rows.reduce((most, { blocks }) => Math.max(most, blocks.length), 1);
  const table = new Int32Array(rows.length * width);
  rows.forEach(({ blocks }, row) => table.set(blocks, row * width));
  const longest = rows.reduce((most, { tokens }) => Math.max(most, tokens.length), 0);
  const furthest = rows.reduce((most, { tokens, past }) => Math.max(most, past + tokens.length), 0);
  return {
    input_ids: int64([1, total], (set) =>
      rows.forEach(({ tokens }, row) => tokens.forEach((token, i) => set(start(row) + i, token))),
    ),
    position_ids: int64([1, total], (set) =>
      rows.forEach(({ tokens, past }, row) => tokens.forEach((_, i) => set(start(row) + i, past + i))),
    ),
    last: int64([rows.length], (set) => rows.forEach((_, row) => set(row, start(row + 1) - 1))),
    starts: new Tensor('int32', starts, [rows.length + 1]),
    past: new Tensor(
      'int32',
      Int32Array.from(rows, ({ past }) => past),
      [rows.length],
    ),
    table: new Tensor('int32', table, [rows.length, width]),
    bounds: new Tensor('int32', Int32Array.of(longest, furthest), [2]),
  };
}
