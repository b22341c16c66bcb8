import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { halfToFloat } from '../half-float.js';
import type { CausalModel, ForwardRow } from './causal-model.js';

/** One sequence's keys and values, as the graph returned them: by input name, `[1, kv_heads, length, head_dim]` each. */
export interface PlainCache {
  tensors: Record<string, Tensor>;
  length: number;
  /** Reserved for it. */
  blocks: number;
}

interface CacheInput {
  readonly name: string;
  /** The output that continues this input. */
  readonly present: string;
  readonly type: 'float32' | 'float16';
  readonly heads: number;
  readonly headDim: number;
}

const PAST = 'past_key_values.';
/** Inputs besides the cache that a decoder may have; anything else is another kind of model. */
const KNOWN_INPUTS = new Set(['input_ids', 'attention_mask', 'position_ids', 'num_logits_to_keep']);

const BLOCK_TOKENS = 32;

/**
 * A decoder exported for Transformers.js, run over its plain interface: each step feeds the cache as `past_key_values.*`
 * and keeps the `present.*` it returns. Rows run one after the other. Names, element types and shapes are read off the
 * session.
 */
export class PlainCausalModel implements CausalModel<PlainCache> {
  readonly vocabSize: number;
  readonly blockTokens = BLOCK_TOKENS;
  readonly blocks: number;
  readonly #session: InferenceSession;
  readonly #inputs: ReadonlySet<string>;
  readonly #cacheInputs: readonly CacheInput[];
  #available: number;
  #withheld = 0;

  /**
   * @param cacheBytes most that the caches of all sequences may take, if a token takes so much
   * @throws Error naming what the graph has that a decoder with a KV cache does not
   */
  constructor(session: InferenceSession, cacheBytes: (perToken: number) => number) {
    this.#session = session;
    this.#inputs = new Set(session.inputNames);
    this.#cacheInputs = readCacheInputs(session);
    this.vocabSize = readVocabSize(session);
    const perToken = bytesPerToken(this.#cacheInputs);
    this.blocks = Math.floor(cacheBytes(perToken) / (BLOCK_TOKENS * perToken));
    this.#available = this.blocks;
  }

  get availableBlocks(): number {
    return Math.max(0, this.#available - this.#withheld);
  }

  limitBlocks(blocks: number): void {
    this.#withheld = this.blocks - blocks;
  }

  open(): PlainCache {
    const tensors = Object.fromEntries(
      this.#cacheInputs.map(({ name, type, heads, headDim }) => {
        const empty = type === 'float32' ? new Float32Array(0) : new Uint16Array(0);
        return [name, new Tensor(type, empty, [1, heads, 0, headDim])];
      }),
    );
    return { tensors, length: 0, blocks: 0 };
  }

  heldBlocks({ blocks }: PlainCache): number {
    return blocks;
  }

  reserve(cache: PlainCache, count: number): boolean {
    const more = Math.ceil((cache.length + count) / BLOCK_TOKENS) - cache.blocks;
    if (more > 0 && more > this.availableBlocks) return false;
    if (more > 0) {
      cache.blocks += more;
      this.#available -= more;
    }
    return true;
  }

  passes<Row extends ForwardRow<PlainCache>>(rows: readonly Row[]): Row[][] {
    return rows.map((row) => [row]);
  }

  async forward(rows: readonly ForwardRow<PlainCache>[]): Promise<Float32Array[]> {
    const [row] = rows;
    if (!row || rows.length > 1) throw new Error('this graph runs one sequence in a pass');
    return [await this.#run(row.cache, row.tokens)];
  }

  close(cache: PlainCache): void {
    this.#available += cache.blocks;
    cache.blocks = 0;
    disposeOf(cache.tensors);
    cache.tensors = {};
  }

  async #run(cache: PlainCache, tokens: readonly number[]): Promise<Float32Array> {
    const outputs = await this.#session.run({ ...this.#feeds(cache.length, tokens), ...cache.tensors });
    disposeOf(cache.tensors);
    cache.tensors = Object.fromEntries(
      this.#cacheInputs.map(({ name, present }) => [name, outputs[present] as Tensor]),
    );
    cache.length += tokens.length;
    return lastRow(outputs['logits'] as Tensor, this.vocabSize);
  }

  #feeds(past: number, tokens: readonly number[]): Record<string, Tensor> {
    const count = tokens.length;
    const feeds: Record<string, Tensor> = {
      input_ids: int64(tokens, [1, count]),
      attention_mask: new Tensor('int64', new BigInt64Array(past + count).fill(1n), [1, past + count]),
    };
    if (this.#inputs.has('position_ids')) {
      const positions = Array.from({ length: count }, (_, i) => past + i);
      feeds['position_ids'] = int64(positions, [1, count]);
    }
    if (this.#inputs.has('num_logits_to_keep')) {
      feeds['num_logits_to_keep'] = new Tensor('int64', BigInt64Array.of(1n), []);
    }
    return feeds;
  }
}

function int64(values: readonly number[], dims: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

function readCacheInputs(session: InferenceSession): CacheInput[] {
  const outputs = new Set(session.outputNames);
  const inputs: CacheInput[] = [];
  for (const input of session.inputMetadata) {
    if (KNOWN_INPUTS.has(input.name)) continue;
    const present = input.name.replace(PAST, 'present.');
    if (!input.name.startsWith(PAST) || !outputs.has(present) || !input.isTensor) {
      throw new Error(`the graph has an input '${input.name}', which a decoder-only model does not have`);
    }
    const [, heads, , headDim] = input.shape;
    const { name, type } = input;
    if (
      typeof heads !== 'number' ||
      typeof headDim !== 'number' ||
      (type !== 'float32' && type !== 'float16')
    ) {
      throw new Error(
        `the cache input '${name}' is ${type}[${input.shape.join(', ')}], not [batch, heads, length, head_dim]`,
      );
    }
    inputs.push({ name, present, type, heads, headDim });
  }
  if (inputs.length === 0)
    throw new Error('the graph has no past_key_values inputs: it was exported without a KV cache');
  return inputs;
}

/** Of keys and values, all layers. */
function bytesPerToken(inputs: readonly CacheInput[]): number {
  return inputs.reduce(
    (sum, { type, heads, headDim }) => sum + heads * headDim * (type === 'float32' ? 4 : 2),
    0,
  );
}

function readVocabSize(session: InferenceSession): number {
  const logits = session.outputMetadata.find(({ name }) => name === 'logits');
  const size = logits?.isTensor ? logits.shape[2] : undefined;
  if (typeof size !== 'number')
    throw new Error("the graph has no output 'logits' of a fixed vocabulary size");
  return size;
}

/** Those on a GPU, which no garbage collector sees. */
function disposeOf(tensors: Readonly<Record<string, Tensor>>): void {
  for (const tensor of Object.values(tensors)) if (tensor.location !== 'cpu') tensor.dispose();
}

/** The logits behind the last token, as float32: a view, not a copy, where the graph returns float32. */
function lastRow(logits: Tensor, vocabSize: number): Float32Array {
  const data = logits.data;
  if (data instanceof Float32Array) return data.subarray(data.length - vocabSize);
  if (logits.type !== 'float16') throw new Error(`the graph returns ${logits.type} logits`);
  // a Uint16Array up to Node 22, a Float16Array where the runtime has one
  const bits = data as Uint16Array;
  const halves = new Uint16Array(bits.buffer, bits.byteOffset, bits.length);
  return Float32Array.from(halves.subarray(halves.length - vocabSize), halfToFloat);
}
