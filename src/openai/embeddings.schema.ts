import { z } from 'zod';
import type { EmbeddingRequest } from '../engine/encoder-types.js';
import {
  encoderFields,
  encoderUsageSchema,
  modelField,
  MOST_INPUTS,
  textField,
  toEncoderOptions,
  tokensField,
  userField,
} from '../encoders/encoder-fields.js';
import type { ForModel } from '../model/model.provider.js';

/** `POST /v1/embeddings` */
export const embeddingRequestSchema = z
  .strictObject({
    model: modelField,
    input: z.union(
      [
        textField,
        tokensField,
        z.array(textField).min(1).max(MOST_INPUTS),
        z.array(tokensField).min(1).max(MOST_INPUTS),
      ],
      {
        error: ({ input }) =>
          input === undefined
            ? 'expected an input, received undefined'
            : `must be a string, an array of token ids, or an array of up to ${MOST_INPUTS} of either, none empty`,
      },
    ),
    encoding_format: z
      .enum(['float', 'base64'])
      .nullish()
      .describe('base64: of the numbers as 32 bit floats, little-endian. Default: float.'),
    dimensions: z
      .int()
      .min(1)
      .nullish()
      .describe('The first so many dimensions, for models that are trained for it. Default: all.'),
    user: userField,
    input_type: textField.nullish().describe('Another name of prompt_name, as NVIDIA and Cohere have it.'),
    prompt_name: textField
      .nullish()
      .describe("The model's prompt of this name goes before every text, e.g. query or passage."),
    normalize: z
      .boolean()
      .nullish()
      .describe("Vectors of length 1. Default: what the model's configuration says."),
    ...encoderFields,
  })
  .check((context) => {
    const { input_type: type, prompt_name: name } = context.value;
    if (type == null || name == null || type === name) return;
    const message = 'is another name of prompt_name; send one of them';
    context.issues.push({ code: 'custom', path: ['input_type'], message, input: type });
  });

export type EmbeddingBody = z.output<typeof embeddingRequestSchema>;

export const embeddingAnswerSchema = z.strictObject({
  object: z.literal('list'),
  data: z.array(
    z.strictObject({
      object: z.literal('embedding'),
      index: z.int(),
      embedding: z.union([z.array(z.number()), z.string()]).describe('A string if base64 was asked for.'),
    }),
  ),
  model: z.string(),
  usage: encoderUsageSchema,
});

export type EmbeddingAnswer = z.output<typeof embeddingAnswerSchema>;

export function toEmbeddingRequest(body: EmbeddingBody): ForModel<EmbeddingRequest> {
  return {
    model: body.model,
    inputs: inputsOf(body.input),
    dimensions: body.dimensions ?? undefined,
    promptName: body.prompt_name ?? body.input_type ?? undefined,
    normalize: body.normalize ?? undefined,
    ...toEncoderOptions(body),
  };
}

function inputsOf(input: EmbeddingBody['input']): EmbeddingRequest['inputs'] {
  if (typeof input === 'string' || isTokens(input)) return [input];
  return input;
}

function isTokens(input: readonly (number | string | number[])[]): input is number[] {
  return typeof input[0] === 'number';
}
