import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { argmax } from '../generation/sampler.js';
import { SharedKvCache, type SharedRow } from '../kv/shared-kv-cache.js';
import type { CausalModel, ForwardRow } from './causal-model.js';
import { GpuMemory, gpuBlocks } from './gpu-memory.js';
import type { LayerShape } from './in-place-memory.js';
import { PIECE } from '../onnx/paged-form.js';
import { pagedInputs } from './paged-inputs.js';

export interface PagedOptions {
  /** Of the graph that `prepareInPlaceGraph` makes in the paged form. */
  readonly session: InferenceSession;
  readonly layers: readonly LayerShape[];
  readonly vocabSize: number;
  /** Most that the cache of all sequences may take, in bytes; it is taken at once. */
  readonly cacheBytes: number;
  readonly prefixCaching: boolean;
}

type Row = ForwardRow<SharedRow>;

/** Tokens in one block: as vLLM has it. */
const BLOCK_TOKENS = 16;

/**
 * A decoder on a GPU whose KV cache stays in the GPU's memory. Rows join and leave between two passes: a pass names the blocks that
 * its rows are in, nothing of the cache is copied or moved. Any rows share a pass, whatever their lengths are.
 */
export class PagedCausalModel implements CausalModel<SharedRow> {
  readonly vocabSize: number;
  readonly blockTokens = BLOCK_TOKENS;
  readonly mixesRows = true;
  readonly blocks: number;
  readonly #session: InferenceSession;
  readonly #memory: GpuMemory;
  readonly #kv: SharedKvCache;

  private constructor(
    { session, vocabSize, prefixCaching }: PagedOptions,
    memory: GpuMemory,
    blocks: number,
  ) {
    this.#session = session;
    this.#memory = memory;
    this.vocabSize = vocabSize;
    this.blocks = blocks;
    this.#kv = new SharedKvCache({ blocks, blockTokens: BLOCK_TOKENS, prefixCaching });
  }

  /** @throws Error if the GPU doesn't have the memory for the cache */
  static async create(options: PagedOptions): Promise<PagedCausalModel> {
    const { layers, cacheBytes } = options;
    const blocks = gpuBlocks(layers, BLOCK_TOKENS, cacheBytes);
    return new PagedCausalModel(options, await GpuMemory.create(layers, blocks, BLOCK_TOKENS), blocks);
  }

  get availableBlocks(): number {
    return this.#kv.available;
  }

  /** The memory is taken already; but what runs over fewer blocks takes less besides. */
  limitBlocks(blocks: number): void {
    this.#kv.limitTo(blocks);
  }

  /** Gives the cache's memory back. */
  async dispose(): Promise<void> {
    await this.#memory.release();
  }

  open(tokens: readonly number[]): SharedRow {
    return this.#kv.open(tokens);
  }

  heldBlocks(cache: SharedRow): number {
    return cache.blocks.length;
  }

  reserve(cache: SharedRow, count: number): boolean {
    return this.#kv.reserve(cache, count);
  }

  close(cache: SharedRow): void {
    this.#kv.close(cache);
  }

  /** A pass costs the same up to a good number of tokens, so all rows share one. */
  passes<R extends Row>(rows: readonly R[]): R[][] {
    return rows.length > 0 ? [[...rows]] : [];
  }

  async forward(rows: readonly Row[]): Promise<Float32Array[]> {
    const { logits } = await this.#run(rows, ['logits']);
    const data = (logits as Tensor).data as Float32Array;
    return rows.map((_, row) => data.subarray(row * this.vocabSize, (row + 1) * this.vocabSize));
  }

  async best(rows: readonly Row[]): Promise<number[]> {
    const { most, best } = await this.#run(rows, ['most', 'best']);
    const largest = (most as Tensor).data as Float32Array;
    const places = (best as Tensor).data as BigInt64Array;
    const pieces = largest.length / rows.length;
    return rows.map((_, row) => {
      const piece = argmax(largest.subarray(row * pieces, (row + 1) * pieces));
      return piece * PIECE + Number(places[row * pieces + piece]);
    });
  }

  async #run(rows: readonly Row[], outputs: readonly string[]): Promise<Record<string, Tensor>> {
    const inputs = pagedInputs(
      rows.map(({ tokens, cache }) => ({ tokens, past: cache.length, blocks: cache.blocks })),
    );
    // what isn't named stays on the GPU
    const results = await this.#session.run({ ...inputs, ...this.#memory.inputs }, outputs);
    for (const { cache, tokens } of rows) this.#kv.commit(cache, tokens);
    return results;
  }
}
