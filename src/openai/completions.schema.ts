import { z } from 'zod';
import type { Prompt } from '../engine/types.js';
import type { ModelRequest } from '../model/model.provider.js';
import { unsupportedField } from '../transport/validation.js';
import {
  checkStreamOptions,
  maxTokensField,
  samplingFields,
  streamFields,
  toModelRequest,
  unsupportedFields,
} from './generation.schema.js';

/** OpenAI's default for this endpoint. */
const DEFAULT_MAX_TOKENS = 16;
const MOST_PROMPTS = 256;

const tokens = z.array(z.int().min(0)).min(1);

/** `POST /v1/completions` */
export const completionRequestSchema = z
  .strictObject({
    model: z.string(),
    prompt: z.union(
      [
        z.string(),
        tokens,
        z.array(z.string()).min(1).max(MOST_PROMPTS),
        z.array(tokens).min(1).max(MOST_PROMPTS),
      ],
      {
        error: ({ input }) =>
          input === undefined
            ? 'expected a prompt, received undefined'
            : `must be a string, an array of token ids, or an array of up to ${MOST_PROMPTS} of either`,
      },
    ),
    max_tokens: maxTokensField,
    ...samplingFields,
    ...streamFields,
    ...unsupportedFields,
    best_of: unsupportedField(1),
    echo: unsupportedField(false),
    logprobs: unsupportedField(),
    suffix: unsupportedField(''),
    /** Tells the operator's logs who asked; nothing else depends on it. */
    user: z.string().nullish(),
  })
  .check(checkStreamOptions);

export type CompletionRequest = z.output<typeof completionRequestSchema>;

/** One request to the model per prompt. */
export function completionToModelRequests(body: CompletionRequest): ModelRequest[] {
  return promptsOf(body.prompt).map((prompt) => {
    return toModelRequest(body.model, prompt, body.max_tokens ?? DEFAULT_MAX_TOKENS, body);
  });
}

function promptsOf(prompt: CompletionRequest['prompt']): Prompt[] {
  if (typeof prompt === 'string') return [{ kind: 'text', text: prompt }];
  if (isTokens(prompt)) return [{ kind: 'tokens', tokens: prompt }];
  return prompt.map((one) =>
    typeof one === 'string' ? { kind: 'text', text: one } : { kind: 'tokens', tokens: one },
  );
}

function isTokens(prompt: readonly (number | string | number[])[]): prompt is number[] {
  return typeof prompt[0] === 'number';
}
