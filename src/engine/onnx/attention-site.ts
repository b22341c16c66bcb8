import type { CacheLayer } from './cache-layers.js';
import type { Mask } from './causal-mask.js';
import type { FloatType } from './graph-view.js';
import type { NodeProto } from './proto/index.js';
import type { Givens, Trial } from './trials.js';

/** One layer's attention, found in a graph: what it is can be checked by trials, then it can be replaced. */
export interface AttentionSite {
  readonly layer: CacheLayer;
  /** Nodes whose outputs are made anew. */
  readonly replaced: readonly NodeProto[];
  /** Results that no trial can compute. */
  readonly opaque: (newTokens: number) => Givens;
  /** What `check` has its results computed from. */
  readonly operands: (newTokens: number, past: number) => Givens;
  /** @throws Unrecognised where it turns out to be something else than plain causal attention */
  readonly check: (trials: readonly Trial[]) => void;
  readonly masks: readonly Mask[];
  readonly call: AttentionCall;
}

/** What an attention takes and makes, however a graph writes it. */
export type AttentionCall = FlatAttention | HeadedAttention;

interface AttentionShape {
  /** Query heads; a multiple of `kvHeads`. */
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Factor of the scores. */
  readonly scale: number;
  /** Bounds the scores: `softcap * tanh(score / softcap)`. 0: unbounded. */
  readonly softcap: number;
  /** Name under which other nodes know the result, in the layout of the query, and its type. */
  readonly output: string;
  readonly outputType: FloatType;
}

/** Projections as they come: `[rows, new, heads * headDim]`, of the cache's type. */
export interface FlatAttention extends AttentionShape {
  readonly layout: 'flat';
  /** Query, key and value; a single one holds all three, side by side. */
  readonly projections: readonly [string, string, string] | readonly [string];
  /** Query and key are still to be rotated. */
  readonly rotary: Rotary | undefined;
}

/** By heads: `[rows, heads, new, headDim]`, with the keys rotated, as they are cached. */
export interface HeadedAttention extends AttentionShape {
  readonly layout: 'heads';
  readonly query: string;
  readonly queryType: FloatType;
  /** Of the cache's type and layout. */
  readonly key: string;
  readonly value: string;
}

export interface Rotary {
  /** Tables `[positions, dims / 2]`. */
  readonly cos: string;
  readonly sin: string;
  /** Dimensions of a head that are rotated. */
  readonly dims: number;
  /** Positions that the tables cover. */
  readonly positions: number;
  readonly interleaved: boolean;
}
