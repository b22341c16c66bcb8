import { posix } from 'node:path';
import { z } from 'zod';
import type { Activation } from '../encoding/vectors.js';
import { ModelLoadError } from '../errors.js';
import type { ModelSpec, Pooling } from '../types.js';
import type { ReadModelJson } from './model-json.js';

/** What a model's files say about embedding with it, as sentence-transformers writes them. */
export interface EmbeddingSettings {
  readonly pooling: Pooling;
  readonly normalize: boolean;
  readonly prompts: ReadonlyMap<string, string>;
  readonly defaultPrompt: string | undefined;
  /** Most tokens of one input; undefined: not said. */
  readonly maxTokens: number | undefined;
  /** Layers besides the pooling that only the graph itself can hold, like `Dense`. */
  readonly layers: readonly string[];
}

// what is missing or odd in a model's files counts as not said
const modulesSchema = z.array(z.object({ type: z.string(), path: z.string().catch('') })).catch([]);
const poolingSchema = z
  .looseObject({
    pooling_mode: z.string().optional().catch(undefined),
    include_prompt: z.boolean().optional().catch(undefined),
  })
  .catch({});
const promptsSchema = z
  .object({
    prompts: z.record(z.string(), z.string()).catch({}),
    default_prompt_name: z.string().nullish().catch(undefined),
  })
  .catch({ prompts: {}, default_prompt_name: undefined });
const sentenceSchema = z
  .object({ max_seq_length: z.number().int().positive().nullish().catch(undefined) })
  .catch({ max_seq_length: undefined });

/** What of sentence-transformers is done outside the graph. */
const KNOWN_MODULES: ReadonlySet<string> = new Set(['Transformer', 'Pooling', 'Normalize']);
/** How sentence-transformers calls what is understood here, in both of its spellings. */
const POOLING_NAMES: Readonly<Record<string, Pooling>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
  pooling_mode_lasttoken: 'last',
  mean: 'mean',
  cls: 'cls',
  lasttoken: 'last',
};

/**
 * Model settings from `modules.json` and what it names, where there is such a file; else mean pooling and vectors of length 1. What
 * the specification says counts more.
 * @throws ModelLoadError if the files ask for what isn't understood and the specification doesn't say otherwise
 */
export async function readEmbeddingSettings(
  spec: ModelSpec,
  read: ReadModelJson,
): Promise<EmbeddingSettings> {
  const modules = modulesSchema.parse((await read('modules.json')) ?? []);
  // sentence_transformers.models.Pooling
  const types = modules.map(({ type }) => type.slice(type.lastIndexOf('.') + 1));
  const { prompts, default_prompt_name: defaultPrompt } = promptsSchema.parse(
    (await read('config_sentence_transformers.json')) ?? {},
  );
  const all = new Map(Object.entries({ ...prompts, ...spec.prompts }));
  return {
    pooling: spec.pooling ?? (await readPooling(spec, modules, read)),
    normalize: spec.normalize ?? (types.length === 0 || types.includes('Normalize')),
    prompts: all,
    defaultPrompt: defaultPrompt && all.has(defaultPrompt) ? defaultPrompt : undefined,
    maxTokens: await readSentenceLength(read),
    layers: types.filter((type) => !KNOWN_MODULES.has(type)),
  };
}

/** Of a cross-encoder or an embedding model; undefined: not said. */
export async function readSentenceLength(read: ReadModelJson): Promise<number | undefined> {
  const { max_seq_length: length } = sentenceSchema.parse((await read('sentence_bert_config.json')) ?? {});
  return length ?? undefined;
}

async function readPooling(
  { source }: ModelSpec,
  modules: z.output<typeof modulesSchema>,
  read: ReadModelJson,
): Promise<Pooling> {
  const path = modules.find(({ type }) => type.endsWith('.Pooling'))?.path;
  const file = (await read(posix.join(path ?? '1_Pooling', 'config.json'))) ?? {};
  const config = poolingSchema.parse(file);
  const flags = Object.entries(config).filter(
    ([key, value]) => key.startsWith('pooling_mode_') && value === true,
  );
  const asked = config.pooling_mode === undefined ? flags.map(([key]) => key) : [config.pooling_mode];
  const [name = 'mean', ...more] = asked;
  const pooling = POOLING_NAMES[name];
  const without = config.include_prompt === false ? ' without the prompt' : '';
  if (pooling && more.length === 0 && !without) return pooling;
  throw new ModelLoadError(
    'model_unsupported',
    `'${source}' pools by ${asked.join(' and ') || name}${without}, which is not supported. Set pooling to mean, cls or last if that is meant.`,
  );
}

const modelConfigSchema = z.looseObject({
  model_type: z.string().optional().catch(undefined),
  vocab_size: z.number().int().positive().optional().catch(undefined),
  max_position_embeddings: z.number().int().positive().optional().catch(undefined),
  n_positions: z.number().int().positive().optional().catch(undefined),
  pad_token_id: z.number().int().nullish().catch(undefined),
  id2label: z.record(z.string(), z.string()).optional().catch(undefined),
  problem_type: z.string().nullish().catch(undefined),
});
export type EncoderConfig = z.output<typeof modelConfigSchema>;

/** config.json. */
export function parseEncoderConfig(config: unknown): EncoderConfig {
  return modelConfigSchema.parse(config);
}

/** For a model that doesn't say: what the oldest encoders had. */
const FALLBACK_TOKENS = 512;
/** Models whose positions are counted from behind the padding token's id. */
const OFFSET_POSITIONS =
  /^(roberta|xlm-roberta|xlm-roberta-xl|camembert|mpnet|longformer|xmod|data2vec-text)$/;

/**
 * Most tokens of one input, special ones included: the least that anybody says. What the specification says replaces what
 * is only a habit (the tokenizer's and sentence-transformers' lengths), but not the positions that the model has.
 */
export function readMaxTokens(
  { maxTokens }: ModelSpec,
  config: EncoderConfig,
  { tokenizerLength, sentenceLength }: { tokenizerLength: number; sentenceLength: number | undefined },
): number {
  const positions = positionsOf(config);
  // "no limit" is written as 1e30
  const tokenizer = tokenizerLength > 0 && tokenizerLength < 1e9 ? tokenizerLength : undefined;
  const said = maxTokens ?? Math.min(tokenizer ?? Infinity, sentenceLength ?? Infinity);
  const least = Math.min(said, positions ?? Infinity);
  return Number.isFinite(least) ? least : FALLBACK_TOKENS;
}

function positionsOf(config: EncoderConfig): number | undefined {
  const positions = config.max_position_embeddings ?? config.n_positions;
  if (positions === undefined || !OFFSET_POSITIONS.test(config.model_type ?? '')) return positions;
  return positions - (config.pad_token_id ?? 1) - 1;
}

/** In the order of the logits. */
export function readLabels({ id2label }: EncoderConfig, count: number): string[] {
  return Array.from({ length: count }, (_, i) => id2label?.[String(i)] ?? `LABEL_${i}`);
}

/** As the pipeline of Transformers has it: what a regression says isn't a probability. */
export function readActivation({ problem_type: problem }: EncoderConfig, count: number): Activation {
  if (problem === 'regression') return 'raw';
  return count === 1 || problem === 'multi_label_classification' ? 'sigmoid' : 'softmax';
}
