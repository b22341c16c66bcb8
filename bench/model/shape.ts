import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** The sizes of a Llama-shaped decoder. */
export interface ModelShape {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly intermediate: number;
  readonly vocab: number;
  readonly context: number;
}

/** SmolLM2-135M's. */
export const SHAPE_135M: ModelShape = {
  hidden: 576,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  intermediate: 1536,
  vocab: 49_152,
  context: 2048,
};

export const ROPE_THETA = 10_000;
export const RMS_EPSILON = 1e-5;

/** Size of one attention head. */
export function headDim({ hidden, heads }: ModelShape): number {
  return hidden / heads;
}

const configSchema = z.looseObject({
  hidden_size: z.int(),
  num_hidden_layers: z.int(),
  num_attention_heads: z.int(),
  num_key_value_heads: z.int(),
  intermediate_size: z.int(),
  vocab_size: z.int(),
  max_position_embeddings: z.int(),
});

/** The shape of a model in a folder, from its config.json. */
export function readShape(folder: string): ModelShape {
  const config = configSchema.parse(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')));
  return {
    hidden: config.hidden_size,
    layers: config.num_hidden_layers,
    heads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads,
    intermediate: config.intermediate_size,
    vocab: config.vocab_size,
    context: config.max_position_embeddings,
  };
}
