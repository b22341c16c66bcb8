/** A sequence's part of the KV cache. */
export interface SequenceCache {
  /** Tokens whose keys and values are in it. */
  readonly length: number;
}

/** Tokens to run for one sequence, behind what its cache holds; room for them was reserved. */
export interface ForwardRow<Cache> {
  readonly cache: Cache;
  /** At least one. */
  readonly tokens: readonly number[];
}

/**
 * A decoder-only language model as the step loop sees it: tokens in, logits out, with a part of the KV cache for each
 * sequence. The loop never sees a tensor, and tests can put any function in the model's place.
 *
 * The cache is counted in blocks; `reserve` is where a full cache shows.
 */
export interface CausalModel<Cache extends SequenceCache = SequenceCache> {
  readonly vocabSize: number;
  /** Tokens in one block of the cache. */
  readonly blockTokens: number;
  /** Blocks of the whole cache. */
  readonly blocks: number;
  /** Blocks that a sequence could have now. */
  readonly availableBlocks: number;
  /**
   * Memory ran short, or is there again: from now on no more than so many blocks are used, at most `blocks`. Sequences keep what they
   * hold. Where it is missing, the cache takes all of its memory at once.
   */
  limitBlocks?(blocks: number): void;
  /** A cache for a sequence of these tokens. It may hold a beginning of them already, but never all of them. */
  open(tokens: readonly number[]): Cache;
  /** Blocks that this cache holds. */
  heldBlocks(cache: Cache): number;
  /** Makes room for `count` more tokens. @returns false, and nothing is changed, if there is none */
  reserve(cache: Cache, count: number): boolean;
  /**
   * Rows that decode and pieces of prompts may share a pass. Default: they are split into passes apart from each other, prompts
   * first: their first token waits for nothing else then.
   */
  readonly mixesRows?: boolean;
  /** Splits what a step runs into passes that the graph can run at once. */
  passes<Row extends ForwardRow<Cache>>(rows: readonly Row[]): Row[][];
  /**
   * One pass: runs the rows, each with a cache of its own, and appends the tokens' keys and values to their caches. If it fails, the
   * caches are as before.
   * @returns the logits behind each row's last token, `[vocabSize]` each, the caller's to overwrite
   */
  forward(rows: readonly ForwardRow<Cache>[]): Promise<Float32Array[]>;
  /**
   * The same as `forward` where nobody needs more of the logits than which is the largest, the first of equals: on a device of its
   * own, that spares the way of all of them to the host.
   * @returns the most probable token behind each row's last one
   * @throws Error if the logits aren't numbers
   */
  best?(rows: readonly ForwardRow<Cache>[]): Promise<number[]>;
  /** Gives back what the session doesn't hold. Nothing may be asked of the model any more. */
  dispose?(): Promise<void>;
  /** The sequence has ended or gives up its cache. What it held may serve others that begin alike. */
  close(cache: Cache): void;
}
