import { z } from 'zod';
import type { Prompt } from '../engine/types.js';
import type { ModelRequest } from '../model/model.provider.js';
import { unsupportedField } from '../transport/validation.js';
import {
  checkStreamOptions,
  choicesField,
  maxTokensField,
  MOST_LOGPROBS,
  samplingFields,
  streamFields,
  toModelRequests,
  unsupportedFields,
} from './generation.schema.js';
import { responseFormatField, toConstraint } from './response-format.schema.js';

/** OpenAI's default for this endpoint. */
const DEFAULT_MAX_TOKENS = 16;
const MOST_PROMPTS = 256;
const MOST_CHOICES = 256;

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
    n: choicesField,
    best_of: unsupportedField(1),
    echo: z.boolean().nullish(),
    logprobs: z.int().min(0).max(MOST_LOGPROBS).nullish(),
    /** As in chats; vLLM has it here, too. */
    response_format: responseFormatField,
    suffix: unsupportedField(''),
    /** Tells the operator's logs who asked; nothing else depends on it. */
    user: z.string().nullish(),
  })
  .check(checkStreamOptions)
  .check((context) => {
    const { echo, logprobs, n, prompt } = context.value;
    if (echo === true && logprobs != null) {
      context.issues.push({
        code: 'custom',
        path: ['echo'],
        message: 'cannot be had together with logprobs',
        input: echo,
      });
    }
    if (promptsOf(prompt).length * (n ?? 1) > MOST_CHOICES) {
      context.issues.push({
        code: 'custom',
        path: ['n'],
        message: `asks for more than ${MOST_CHOICES} choices in all`,
        input: n,
      });
    }
  });

export type CompletionRequest = z.output<typeof completionRequestSchema>;

/** One request to the model per choice: `n` for the first prompt, `n` for the second, ... */
export function completionToModelRequests(body: CompletionRequest): ModelRequest[] {
  const extras = {
    maxTokens: body.max_tokens ?? DEFAULT_MAX_TOKENS,
    n: body.n ?? 1,
    logprobs: body.logprobs ?? undefined,
    echo: body.echo === true,
    constraint: toConstraint(body.response_format),
  };
  return promptsOf(body.prompt).flatMap((prompt) => toModelRequests(body.model, prompt, extras, body));
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
