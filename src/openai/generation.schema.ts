import { z } from 'zod';
import type { ModelRequest } from '../model/model.provider.js';
import type { Prompt } from '../engine/types.js';
import { unsupportedField } from '../transport/validation.js';

/**
 * The sampling fields that OpenAI's completions and chat share, under OpenAI's names. Where one is left out, the model's
 * generation config decides, then OpenAI's default.
 */
export const samplingFields = {
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  stop: z
    .union(
      [z.string().min(1), z.array(z.string().min(1)).max(4)],
      'must be a string or up to 4 strings, none empty',
    )
    .nullish(),
} as const;

export const maxTokensField = z.int().min(1).nullish();

/** Fields of both endpoints that a later version may support; what they say by default is accepted. */
export const unsupportedFields = {
  n: unsupportedField(1),
  frequency_penalty: unsupportedField(0),
  presence_penalty: unsupportedField(0),
  logit_bias: unsupportedField({}),
} as const;

export const streamFields = {
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
} as const;

type Sampling = z.output<z.ZodObject<typeof samplingFields>>;

/** From OpenAI's names to the engine's. */
export function toModelRequest(
  model: string | undefined,
  prompt: Prompt,
  maxTokens: number | null | undefined,
  { temperature, top_p, seed, stop }: Sampling,
): ModelRequest {
  return {
    model,
    prompt,
    maxTokens: maxTokens ?? undefined,
    temperature: temperature ?? undefined,
    topP: top_p ?? undefined,
    seed: seed ?? undefined,
    stop: typeof stop === 'string' ? [stop] : (stop ?? undefined),
  };
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
