import { z } from 'zod';
import type { ModelRequest } from '../model/model.provider.js';
import type { Constraint, Prompt } from '../engine/types.js';
import { timeoutField, toTimeoutMs } from '../transport/timeout-field.js';
import { unsupportedField } from '../transport/validation.js';

/** What is added to the logit of a token. */
export const biasField = z.number().min(-100).max(100);
export const stopListField = z.array(z.string().min(1)).max(4);

/**
 * The sampling fields that OpenAI's completions and chat share, under OpenAI's names. Where one is left out, the model's
 * generation config decides, then OpenAI's default.
 */
export const samplingFields = {
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  /** vLLM's name, as are the others of this kind; 0 and -1: all tokens. */
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).max(10).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z.record(z.string().regex(/^\d+$/, 'must be a token id'), biasField).nullish(),
  stop_token_ids: z.array(z.int().min(0)).max(64).nullish(),
  min_tokens: z.int().min(0).nullish(),
  ignore_eos: z.boolean().nullish(),
  /** Ours. */
  timeout: timeoutField,
  stop: z
    .union([z.string().min(1), stopListField], 'must be a string or up to 4 strings, none empty')
    .nullish(),
} as const;

export const maxTokensField = z.int().min(1).nullish();

/** Choices per prompt; each draws with a seed of its own. */
export const choicesField = z.int().min(1).max(128).nullish();

/** Fields of both endpoints that are refused by name. */
export const unsupportedFields = { typical_p: unsupportedField(1) } as const;

/** Most alternatives that are told with a token. */
export const MOST_LOGPROBS = 20;

export const streamFields = {
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: unsupportedField(false) })
    .nullish(),
} as const;

type Sampling = z.output<z.ZodObject<typeof samplingFields>>;

/** What a request says beside its sampling fields. */
export interface RequestExtras {
  readonly maxTokens: number | null | undefined;
  readonly n: number;
  readonly logprobs: number | undefined;
  readonly echo?: boolean;
  readonly constraint?: Constraint | undefined;
}

/** From OpenAI's names to the engine's: one request per choice. */
export function toModelRequests(
  model: string | undefined,
  prompt: Prompt,
  { maxTokens, n, logprobs, echo, constraint }: RequestExtras,
  fields: Sampling,
): ModelRequest[] {
  const { temperature, top_p, top_k, min_p, seed, stop } = fields;
  const request: ModelRequest = {
    model,
    prompt,
    maxTokens: maxTokens ?? undefined,
    temperature: temperature ?? undefined,
    topP: top_p ?? undefined,
    topK: top_k == null ? undefined : Math.max(top_k, 0),
    minP: min_p ?? undefined,
    repetitionPenalty: fields.repetition_penalty ?? undefined,
    presencePenalty: fields.presence_penalty ?? undefined,
    frequencyPenalty: fields.frequency_penalty ?? undefined,
    logitBias: toBias(fields.logit_bias),
    seed: seed ?? undefined,
    stop: typeof stop === 'string' ? [stop] : (stop ?? undefined),
    stopTokenIds: fields.stop_token_ids ?? undefined,
    minTokens: fields.min_tokens ?? undefined,
    ignoreEos: fields.ignore_eos ?? undefined,
    timeoutMs: toTimeoutMs(fields.timeout),
    logprobs,
    constraint,
    echo: echo === true ? true : undefined,
  };
  return Array.from({ length: n }, (_, i) =>
    request.seed === undefined ? request : { ...request, seed: addToSeed(request.seed, i) },
  );
}

/** Goes on at the least safe integer behind the greatest, so that no two choices share a seed. */
function addToSeed(seed: number, i: number): number {
  const room = Number.MAX_SAFE_INTEGER - seed;
  return i <= room ? seed + i : Number.MIN_SAFE_INTEGER + (i - room - 1);
}

function toBias(bias: Sampling['logit_bias']): ReadonlyMap<number, number> | undefined {
  if (!bias) return undefined;
  return new Map(Object.entries(bias).map(([token, value]) => [Number(token), value]));
}

/** `stream_options` without a stream is a mistake, not a wish. */
export function checkStreamOptions(
  context: z.core.ParsePayload<{ stream?: unknown; stream_options?: unknown }>,
): void {
  const { stream, stream_options } = context.value;
  if (stream_options && stream !== true) {
    context.issues.push({
      code: 'custom',
      path: ['stream_options'],
      message: 'is only allowed when stream is true',
      input: stream_options,
    });
  }
}
