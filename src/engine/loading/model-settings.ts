import type { PreTrainedModel, PreTrainedTokenizer } from '@huggingface/transformers';
import { z } from 'zod';
import type { GenerationDefaults } from '../generation/text-generator.js';

export interface ModelSettings {
  readonly contextLength: number;
  readonly endOfSequence: ReadonlySet<number>;
  readonly beginOfSequence: number | undefined;
  readonly defaults: GenerationDefaults;
}

/** Where exports keep the context length, newest name first. */
const CONTEXT_KEYS = [
  'max_position_embeddings',
  'n_positions',
  'n_ctx',
  'max_seq_len',
  'seq_length',
] as const;
/** For a model that doesn't say: what the oldest decoders had. */
const FALLBACK_CONTEXT = 1024;

const tokenIds = z.union([z.number().int(), z.array(z.number().int())]).nullish();
// what is missing or odd in a model's files counts as not said
const generationConfigSchema = z.object({
  eos_token_id: tokenIds.catch(undefined),
  bos_token_id: z.number().int().nullish().catch(undefined),
  temperature: z.number().min(0).nullish().catch(undefined),
  top_p: z.number().min(0).max(1).nullish().catch(undefined),
  top_k: z.number().int().min(0).nullish().catch(undefined),
  repetition_penalty: z.number().positive().nullish().catch(undefined),
  max_new_tokens: z.number().int().positive().nullish().catch(undefined),
});
const modelConfigSchema = z.looseObject({
  eos_token_id: tokenIds.catch(undefined),
  bos_token_id: z.number().int().nullish().catch(undefined),
});

/** What config.json, generation_config.json and the tokenizer say about generating with this model. */
export function readModelSettings(model: PreTrainedModel, tokenizer: PreTrainedTokenizer): ModelSettings {
  const config = modelConfigSchema.parse(model.config);
  const generation = generationConfigSchema.parse(model.generation_config ?? {});
  const endOfSequence = generation.eos_token_id ?? config.eos_token_id ?? tokenizer.eos_token_id ?? [];
  return {
    contextLength: readContextLength(config, tokenizer),
    endOfSequence: new Set([endOfSequence].flat()),
    beginOfSequence: generation.bos_token_id ?? config.bos_token_id ?? undefined,
    defaults: {
      maxTokens: generation.max_new_tokens ?? undefined,
      temperature: generation.temperature ?? 1,
      topP: generation.top_p ?? 1,
      topK: generation.top_k ?? 0,
      repetitionPenalty: generation.repetition_penalty ?? 1,
    },
  };
}

function readContextLength(config: Record<string, unknown>, tokenizer: PreTrainedTokenizer): number {
  const said = CONTEXT_KEYS.map((key) => config[key]).find((value) => typeof value === 'number' && value > 0);
  if (typeof said === 'number') return said;
  const limit = tokenizer.config['model_max_length'] as unknown;
  // "no limit" is written as 1e30
  return typeof limit === 'number' && limit > 0 && limit < 1e9 ? limit : FALLBACK_CONTEXT;
}
