import type { BlockAttention } from './block-attention.js';
import type { CacheLayer } from './cache-layers.js';
import type { Mask } from './causal-mask.js';
import type { FloatType } from './graph-view.js';
import type { NodeSink } from './node-sink.js';
import type { NodeProto } from './proto/index.js';
import type { Givens, Trial } from './trials.js';

/** One layer's attention, found in a graph: what it is can be checked by trials, then it can be replaced. */
export interface AttentionSite {
  readonly layer: CacheLayer;
  /** Query heads. */
  readonly heads: number;
  /** Nodes whose outputs {@link emit} makes anew. */
  readonly replaced: readonly NodeProto[];
  /** Results that no trial can compute. */
  readonly opaque: (newTokens: number) => Givens;
  /** What `check` has its results computed from. */
  readonly operands: (newTokens: number, past: number) => Givens;
  /** @throws Unrecognised where it turns out to be something else than plain causal attention */
  readonly check: (trials: readonly Trial[]) => void;
  readonly masks: readonly Mask[];
  readonly emit: (emission: Emission) => void;
}

/** What a site needs to write its replacement. */
export interface Emission {
  readonly sink: NodeSink;
  readonly attention: BlockAttention;
  /** Names of the outputs that hold the new keys and values. */
  readonly names: { readonly key: string; readonly value: string };
  /** The value as float32, under `name` if that is given; otherwise itself where it is that already. */
  readonly toFloat: (value: string, from: FloatType, name?: string) => string;
  /** Gives a float32 value that `make` emits the element type and the name under which other nodes know it. */
  readonly named: (type: FloatType, name: string, make: (output?: string) => string) => void;
}
