import { z } from 'zod';
import type { ModelRequest } from '../model/model.provider.js';
import { messagesField } from './chat-messages.schema.js';
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
import { checkTools, toolFields, toolUse } from './tools.schema.js';

/** `POST /v1/chat/completions` */
export const chatRequestSchema = z
  .strictObject({
    model: z.string(),
    messages: messagesField,
    max_completion_tokens: maxTokensField,
    /** OpenAI's former name of `max_completion_tokens`. */
    max_tokens: maxTokensField,
    ...samplingFields,
    ...streamFields,
    ...unsupportedFields,
    n: choicesField,
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(MOST_LOGPROBS).nullish(),
    response_format: responseFormatField,
    ...toolFields,
    functions: unsupportedField([]),
    function_call: unsupportedField('none', 'auto'),
    modalities: unsupportedField(['text']),
    audio: unsupportedField(),
    prediction: unsupportedField(),
    reasoning_effort: unsupportedField(),
    verbosity: unsupportedField(),
    web_search_options: unsupportedField(),
    service_tier: unsupportedField('auto', 'default'),
    store: unsupportedField(false),
    metadata: unsupportedField({}),
    prompt_cache_key: unsupportedField(),
    safety_identifier: unsupportedField(),
    moderation: unsupportedField(),
    prompt_cache_options: unsupportedField(),
    prompt_cache_retention: unsupportedField(),
    /** Tells the operator's logs who asked; nothing else depends on it. */
    user: z.string().nullish(),
  })
  .check(checkStreamOptions)
  .check(checkTools)
  .check((context) => {
    const { logprobs, top_logprobs: top } = context.value;
    if (top != null && logprobs !== true) {
      context.issues.push({
        code: 'custom',
        path: ['top_logprobs'],
        message: 'needs logprobs: true',
        input: top,
      });
    }
  })
  .check((context) => {
    const { max_tokens: former, max_completion_tokens: present } = context.value;
    if (former != null && present != null && former !== present) {
      context.issues.push({
        code: 'custom',
        path: ['max_tokens'],
        message: 'is the former name of max_completion_tokens; send one of them',
        input: former,
      });
    }
  });

export type ChatRequest = z.output<typeof chatRequestSchema>;

/** One request to the model per choice. */
export function chatToModelRequests(body: ChatRequest): ModelRequest[] {
  const use = toolUse(body);
  const { messages } = body;
  const prompt = { kind: 'chat', messages, ...(use ? { tools: use.tools } : {}) } as const;
  const extras = {
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    n: body.n ?? 1,
    logprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    constraint: use?.constraint ?? toConstraint(body.response_format),
  };
  return toModelRequests(body.model, prompt, extras, body);
}
