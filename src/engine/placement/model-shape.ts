import { z } from 'zod';

/** The sizes of a transformer that decide how much memory a step takes. */
export interface ModelShape {
  readonly layers: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocab: number;
  /** Tokens; undefined: not said. */
  readonly context: number | undefined;
}

const size = z.number().int().positive().optional().catch(undefined);
/** As the architectures call them. */
const configSchema = z.looseObject({
  num_hidden_layers: size,
  n_layer: size,
  num_layers: size,
  hidden_size: size,
  n_embd: size,
  dim: size,
  intermediate_size: size,
  n_inner: size,
  ffn_dim: size,
  num_attention_heads: size,
  n_head: size,
  num_key_value_heads: size,
  head_dim: size,
  vocab_size: size,
  max_position_embeddings: size,
  n_positions: size,
  n_ctx: size,
});

/** From config.json. @returns undefined if it doesn't say how wide and how deep the model is */
export function readModelShape(config: unknown): ModelShape | undefined {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) return undefined;
  const said = parsed.data;
  const layers = said.num_hidden_layers ?? said.n_layer ?? said.num_layers;
  const hidden = said.hidden_size ?? said.n_embd ?? said.dim;
  if (layers === undefined || hidden === undefined) return undefined;
  const heads = said.num_attention_heads ?? said.n_head ?? 1;
  return {
    layers,
    hidden,
    intermediate: said.intermediate_size ?? said.n_inner ?? said.ffn_dim ?? 4 * hidden,
    heads,
    kvHeads: said.num_key_value_heads ?? heads,
    headDim: said.head_dim ?? Math.ceil(hidden / heads),
    vocab: said.vocab_size ?? 0,
    context: said.max_position_embeddings ?? said.n_positions ?? said.n_ctx,
  };
}

/** Of keys and values, all layers, in bytes. */
export function cacheBytesPerToken({ layers, kvHeads, headDim }: ModelShape, numberBytes: number): number {
  return layers * 2 * kvHeads * headDim * numberBytes;
}

/** The largest pass, in tokens. */
export interface LargestPass {
  /** All rows together. */
  readonly tokens: number;
  /** Tokens that each of them attends to, itself included. */
  readonly attended: number;
  /** Rows of logits. */
  readonly logits: number;
}

/**
 * Bytes that a pass takes at its peak. ONNX Runtime gives what one layer used to the next one, so a layer counts, not all of them:
 * the residual stream, the layer's input, queries, keys, values and output (eight times the width), the feed-forward network's two
 * halves and their product (three times its width), the attention scores twice (before and behind the softmax), and the logits.
 */
export function activationBytes(
  { hidden, intermediate, heads, vocab }: ModelShape,
  { tokens, attended, logits }: LargestPass,
  numberBytes: number,
): number {
  const states = tokens * (8 * hidden + 3 * intermediate);
  const scores = 2 * heads * tokens * attended;
  return (states + scores) * numberBytes + logits * vocab * 4;
}
