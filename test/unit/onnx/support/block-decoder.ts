import { Tensor, type InferenceSession } from 'onnxruntime-node';
import type { LayerShape } from '../../../../src/engine/onnx/rewrite-graph.js';
import { int64 } from './plain-decoder.js';

/** One row's cache: for each layer keys and values, for each head the vectors of all positions. */
export interface RowCache {
  readonly columns: Float32Array[][];
  length: number;
}

export interface BlockRow {
  readonly cache: RowCache;
  readonly tokens: readonly number[];
}

/** How a pass is laid out; none of it may change a result. */
export interface Layout {
  /** T */
  readonly blockTokens: number;
  /** Where the blocks lie: a number for each, sorted by. Without it in the order of the rows. */
  readonly order?: (block: number) => number;
  /** Columns of `table` beyond those that the longest row needs. */
  readonly spareBlocks?: number;
  /** Tokens that all rows are filled up with on the right. */
  readonly spareTokens?: number;
}

interface Block {
  readonly row: number;
  readonly slot: number;
}

const MASKED = -1e9;

/** Runs the rewritten graph by its contract, in the plainest way: the cache is kept by row and laid out anew for each pass. */
export class BlockDecoder {
  readonly #session: InferenceSession;
  readonly #layers: readonly LayerShape[];

  constructor(session: InferenceSession, layers: readonly LayerShape[]) {
    this.#session = session;
    this.#layers = layers;
  }

  open(): RowCache {
    const columns = this.#layers.flatMap(({ kvHeads }) =>
      ['key', 'value'].map(() => Array.from({ length: kvHeads }, () => new Float32Array(0))),
    );
    return { columns, length: 0 };
  }

  /** Logits behind each row's last token; the new keys and values are added to the rows' caches. */
  async step(rows: readonly BlockRow[], layout: Layout): Promise<Float32Array[]> {
    const feeds = this.feeds(rows, layout);
    const outputs = await this.#session.run(feeds);
    rows.forEach((row, at) => this.#append(row, at, outputs));
    const logits = outputs['logits']!;
    if (logits.dims[0] !== rows.length || logits.dims[1] !== 1)
      throw new Error(`logits [${logits.dims.join(', ')}]`);
    const size = logits.dims[2]!;
    return rows.map((_, at) => (logits.data as Float32Array).slice(at * size, (at + 1) * size));
  }

  feeds(
    rows: readonly BlockRow[],
    { blockTokens, order, spareBlocks = 0, spareTokens = 0 }: Layout,
  ): Record<string, Tensor> {
    const steps = Math.max(...rows.map(({ tokens }) => tokens.length)) + spareTokens;
    const counts = rows.map(({ cache }) => Math.ceil(cache.length / blockTokens));
    const width = Math.max(1, ...counts) + spareBlocks;
    const blocks = counts.flatMap((count, row) =>
      Array.from({ length: count }, (_, slot) => ({ row, slot })),
    );
    if (order) {
      const keys = new Map(blocks.map((block, i) => [block, order(i)]));
      blocks.sort((a, b) => keys.get(a)! - keys.get(b)!);
    }
    // without a past, one block that nobody sees
    if (blocks.length === 0) blocks.push({ row: 0, slot: 0 });
    const pad = (values: readonly number[]) => [...values, ...Array<number>(steps - values.length).fill(0)];
    const [B, NB] = [rows.length, blocks.length];
    return {
      input_ids: int64(
        rows.flatMap(({ tokens }) => pad(tokens)),
        [B, steps],
      ),
      position_ids: int64(
        rows.flatMap(({ cache, tokens }) => pad(tokens.map((_, i) => cache.length + i))),
        [B, steps],
      ),
      last: int64(
        rows.map(({ tokens }) => tokens.length - 1),
        [B, 1, 1],
      ),
      mask: maskOf(rows, steps, width * blockTokens),
      ...tablesOf(rows, blocks, counts, width),
      block_row: int64(
        blocks.map(({ row }) => row),
        [NB],
      ),
      block_slot: int64(
        blocks.map(({ row, slot }) => row * width + slot),
        [NB],
      ),
      ...this.#past(rows, blocks, blockTokens),
    };
  }

  #past(rows: readonly BlockRow[], blocks: readonly Block[], blockTokens: number): Record<string, Tensor> {
    return Object.fromEntries(
      this.#layers.flatMap(({ kvHeads, headDim }, layer) =>
        ['key', 'value'].map((part, half) => {
          const data = new Float32Array(blocks.length * kvHeads * blockTokens * headDim);
          blocks.forEach(({ row, slot }, at) =>
            rows[row]!.cache.columns[layer * 2 + half]!.forEach((head, h) => {
              const start = slot * blockTokens * headDim;
              const columns = head.subarray(start, start + blockTokens * headDim);
              data.set(columns, (at * kvHeads + h) * blockTokens * headDim);
            }),
          );
          const dims = [blocks.length, kvHeads, blockTokens, headDim];
          return [`past_key_values.${layer}.${part}`, new Tensor('float32', data, dims)];
        }),
      ),
    );
  }

  #append({ cache, tokens }: BlockRow, row: number, outputs: Record<string, Tensor>): void {
    this.#layers.forEach(({ kvHeads, headDim }, layer) =>
      ['key', 'value'].forEach((part, half) => {
        const { data, dims } = outputs[`delta.${layer}.${part}`]!;
        const steps = dims[2]!;
        const columns = cache.columns[layer * 2 + half]!;
        for (let h = 0; h < kvHeads; h++) {
          const start = (row * kvHeads + h) * steps * headDim;
          const added = (data as Float32Array).subarray(start, start + tokens.length * headDim);
          columns[h] = Float32Array.of(...columns[h]!, ...added);
        }
      }),
    );
    cache.length += tokens.length;
  }
}

function maskOf(rows: readonly BlockRow[], steps: number, past: number): Tensor {
  const data: number[] = [];
  for (const { cache, tokens } of rows) {
    for (let i = 0; i < steps; i++) {
      for (let j = 0; j < steps; j++) data.push(j <= i && j < tokens.length ? 0 : MASKED);
      for (let j = 0; j < past; j++) data.push(j < cache.length ? 0 : MASKED);
    }
  }
  return new Tensor('float32', Float32Array.from(data), [rows.length, 1, steps, steps + past]);
}

function tablesOf(
  rows: readonly BlockRow[],
  blocks: readonly Block[],
  counts: readonly number[],
  width: number,
): Record<string, Tensor> {
  const table = Array.from({ length: rows.length * width }, (_, at) => {
    const found = blocks.findIndex(({ row, slot }) => row * width + slot === at);
    return found < 0 ? blocks.length - 1 : found;
  });
  const valid = counts.flatMap((count) => Array.from({ length: width }, (_, slot) => Number(slot < count)));
  return {
    table: int64(table, [rows.length, width]),
    valid: new Tensor('float32', Float32Array.from(valid), [rows.length, 1, width]),
  };
}
