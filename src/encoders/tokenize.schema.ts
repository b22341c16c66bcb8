import { z } from 'zod';
import type { DetokenizeRequest, TokenizeRequest } from '../engine/encoder-types.js';
import type { ForModel } from '../model/model.provider.js';
import { unsupportedField } from '../transport/validation.js';
import { exactlyOne, modelField, userField } from './encoder-fields.js';

/** `POST /v1/tokenize` */
export const tokenizeRequestSchema = z
  .strictObject({
    model: modelField,
    input: z.string().optional(),
    prompt: z.string().optional().describe('Another name of input, as vLLM has it.'),
    add_special_tokens: z
      .boolean()
      .nullish()
      .describe('With the special tokens that the model wants around a text. Default: true.'),
    user: userField,
    messages: unsupportedField(),
    return_token_strs: unsupportedField(true, false),
  })
  .check(exactlyOne('input', 'prompt'));

export type TokenizeBody = z.output<typeof tokenizeRequestSchema>;

export const tokenizeAnswerSchema = z.strictObject({
  model: z.string(),
  count: z.int(),
  tokens: z.array(z.int()),
  pieces: z.array(
    z.strictObject({
      id: z.int(),
      text: z.string().describe('As the vocabulary spells it.'),
      special: z.boolean(),
    }),
  ),
});

export type TokenizeAnswer = z.output<typeof tokenizeAnswerSchema>;

/** `POST /v1/detokenize` */
export const detokenizeRequestSchema = z.strictObject({
  model: modelField,
  tokens: z.array(z.int().min(0)),
  skip_special_tokens: z.boolean().nullish().describe('Leave special tokens out. Default: true.'),
  user: userField,
});

export type DetokenizeBody = z.output<typeof detokenizeRequestSchema>;

export const detokenizeAnswerSchema = z.strictObject({ model: z.string(), text: z.string() });

export type DetokenizeAnswer = z.output<typeof detokenizeAnswerSchema>;

export function toTokenizeRequest(body: TokenizeBody): ForModel<TokenizeRequest> {
  return {
    model: body.model,
    text: body.input ?? body.prompt ?? '',
    addSpecialTokens: body.add_special_tokens ?? undefined,
  };
}

export function toDetokenizeRequest(body: DetokenizeBody): ForModel<DetokenizeRequest> {
  return {
    model: body.model,
    tokens: body.tokens,
    skipSpecialTokens: body.skip_special_tokens ?? undefined,
  };
}
