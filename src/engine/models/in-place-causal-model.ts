import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { KvCache, type KvRow } from '../kv/kv-cache.js';
import type { CausalModel, ForwardRow } from './causal-model.js';
import { bytesPerToken, InPlaceMemory, type LayerShape, type TokenPlace } from './in-place-memory.js';
import { longest, passInputs, type PassRow } from './pass-inputs.js';

export interface InPlaceOptions {
  /** Of the graph that `prepareInPlaceGraph` makes. */
  readonly session: InferenceSession;
  readonly layers: readonly LayerShape[];
  readonly vocabSize: number;
  /** Most that the cache of all sequences may take, in bytes. */
  readonly cacheBytes: number;
  readonly prefixCaching: boolean;
}

type Row = ForwardRow<KvRow>;

/** Tokens in one block: shorter ones cost more operations, longer ones more padding. */
const BLOCK_TOKENS = 32;
/** How much of a pass over several prompts may be padding. */
const PADDING = 0.2;
/** Most tokens in a pass over several prompts: beyond, a token costs more, not less, and the first ones wait for the last. */
const GROUP_TOKENS = 128;
/**
 * Up to so many tokens behind a past run over the blocks where they lie, together with others of as many tokens; more of them are run
 * alone, over a copy of the past in one piece, which is quicker then.
 */
const SHORT_PIECE = 16;
/** A sequence of one meaningless token without a past. */
const FILLER: PassRow = { tokens: [0], past: 0, blocks: [] };

/**
 * A decoder whose KV cache stays where it is: the graph is fed with blocks of memory that this process owns and returns only the
 * keys and values of the new tokens, which are written into it. Any number of sequences run in one pass, each over its own past.
 *
 * What a row gets depends on the row alone, to the bit, where the graph's kernels allow it (see `batch-invariance.ts`).
 */
export class InPlaceCausalModel implements CausalModel<KvRow> {
  readonly vocabSize: number;
  readonly blockTokens = BLOCK_TOKENS;
  readonly blocks: number;
  readonly #session: InferenceSession;
  readonly #memory: InPlaceMemory;
  readonly #kv: KvCache;
  /**
   * Whether a pass may be run over a single token. ONNX Runtime has other kernels for it, which may round otherwise: where they do, a
   * sequence would depend on whether others run beside it.
   */
  runsAlone = true;

  constructor({ session, layers, vocabSize, cacheBytes, prefixCaching }: InPlaceOptions) {
    this.#session = session;
    this.vocabSize = vocabSize;
    this.blocks = Math.floor(cacheBytes / (BLOCK_TOKENS * bytesPerToken(layers)));
    this.#memory = new InPlaceMemory(layers, this.blocks, BLOCK_TOKENS);
    this.#kv = new KvCache({
      blocks: this.blocks,
      blockTokens: BLOCK_TOKENS,
      store: this.#memory,
      prefixCaching,
    });
  }

  get availableBlocks(): number {
    return this.#kv.available;
  }

  limitBlocks(blocks: number): void {
    this.#kv.limitTo(blocks);
  }

  open(tokens: readonly number[]): KvRow {
    return this.#kv.open(tokens);
  }

  heldBlocks(cache: KvRow): number {
    return cache.blocks.length;
  }

  reserve(cache: KvRow, count: number): boolean {
    return this.#kv.reserve(cache, count);
  }

  close(cache: KvRow): void {
    this.#kv.close(cache);
  }

  /**
   * Sequences that decode run together; prompts from their beginning in groups of similar length; short pieces behind a past with others
   * of that length, long ones alone.
   */
  passes<R extends Row>(rows: readonly R[]): R[][] {
    const decode = rows.filter(isDecode);
    const fresh = rows.filter(({ cache }) => cache.length === 0);
    const continued = rows.filter((row) => row.cache.length > 0 && !isDecode(row));
    return [...groupByLength(fresh), ...groupPieces(continued), ...(decode.length > 0 ? [decode] : [])];
  }

  async forward(rows: readonly Row[]): Promise<Float32Array[]> {
    const steps = longest(rows.map(({ tokens }) => tokens));
    const outputs = await this.#session.run(this.#feeds(rows, steps));
    this.#memory.write(outputs, rows.map(placesOf), steps);
    for (const { cache, tokens } of rows) this.#kv.commit(cache, tokens);
    const logits = (outputs['logits'] as Tensor).data as Float32Array;
    return rows.map((_, row) => logits.subarray(row * this.vocabSize, (row + 1) * this.vocabSize));
  }

  #feeds(rows: readonly Row[], steps: number): Record<string, Tensor> {
    const alone = !this.runsAlone && rows.length === 1 && steps === 1 ? [FILLER] : [];
    if (rows.every(({ cache }) => cache.length === 0)) {
      const fresh = rows.map(({ tokens }) => ({ tokens, past: 0, blocks: [] }));
      return { ...passInputs([...fresh, ...alone], 1, 1), ...this.#memory.nothing() };
    }
    const [first] = rows;
    if (first && steps > SHORT_PIECE) {
      const past = first.cache.length;
      const blocks = writtenBlocks(first.cache);
      const row = { tokens: first.tokens, past, blocks: [0] };
      return { ...passInputs([row], blocks.length * BLOCK_TOKENS, 1), ...this.#memory.joined(blocks) };
    }
    const count = this.#kv.activate(rows.map(({ cache }) => cache));
    const behind = rows.map(({ cache, tokens }) => ({
      tokens,
      past: cache.length,
      blocks: writtenBlocks(cache),
    }));
    return { ...passInputs([...behind, ...alone], BLOCK_TOKENS, count), ...this.#memory.blocks(count) };
  }
}

function isDecode({ cache, tokens }: Row): boolean {
  return tokens.length === 1 && cache.length > 0;
}

/** Not those that are only reserved: they hold what their last owner left there. */
function writtenBlocks({ blocks, length }: KvRow): number[] {
  return blocks.slice(0, Math.ceil(length / BLOCK_TOKENS));
}

function placesOf({ cache, tokens }: Row): TokenPlace[] {
  return tokens.map((_, i) => {
    const position = cache.length + i;
    return {
      block: cache.blocks[Math.floor(position / BLOCK_TOKENS)] as number,
      offset: position % BLOCK_TOKENS,
    };
  });
}

/** Pieces behind a past: short ones of equal length together, as padding would move what a row attends to. */
function groupPieces<R extends Row>(rows: readonly R[]): R[][] {
  const groups = new Map<number, R[]>();
  const alone: R[][] = [];
  for (const row of rows) {
    const { length } = row.tokens;
    if (length > SHORT_PIECE) alone.push([row]);
    else groups.set(length, [...(groups.get(length) ?? []), row]);
  }
  return [...groups.values(), ...alone];
}

/** As few groups as possible in which padding stays small. The shortest prompts come first. */
function groupByLength<R extends Row>(rows: readonly R[]): R[][] {
  const groups: R[][] = [];
  let group: R[] = [];
  let sum = 0;
  for (const row of rows.toSorted((a, b) => b.tokens.length - a.tokens.length)) {
    const padded = (group[0]?.tokens.length ?? 0) * (group.length + 1);
    sum += row.tokens.length;
    if (group.length > 0 && (padded > GROUP_TOKENS || padded - sum > PADDING * padded)) {
      groups.unshift(group);
      group = [];
      sum = row.tokens.length;
    }
    group.push(row);
  }
  return group.length > 0 ? [group, ...groups] : groups;
}
