import { z } from 'zod';
import type { ClassificationRequest, LabelScore } from '../engine/encoder-types.js';
import type { ForModel } from '../model/model.provider.js';
import { unsupportedField } from '../transport/validation.js';
import {
  encoderFields,
  encoderUsageSchema,
  exactlyOne,
  modelField,
  MOST_INPUTS,
  rawScoresField,
  textField,
  toEncoderOptions,
  userField,
} from './encoder-fields.js';

const inputsField = z
  .union(
    [
      textField,
      z.array(textField).min(1).max(MOST_INPUTS),
      z
        .array(z.tuple([textField, textField]))
        .min(1)
        .max(MOST_INPUTS),
    ],
    {
      error: `must be a string, or an array of up to ${MOST_INPUTS} strings or pairs of strings, none empty`,
    },
  )
  .optional();

/** `POST /v1/classify` */
export const classifyRequestSchema = z
  .strictObject({
    model: modelField,
    inputs: inputsField.describe(
      'A text, texts, or pairs of texts: ["a", "b"] are two texts, [["a", "b"]] is one pair.',
    ),
    input: inputsField.describe('Another name of inputs, as vLLM has it.'),
    top_k: z.int().min(1).nullish().describe('Only the so many best labels of each. Default: all.'),
    raw_scores: rawScoresField.describe('The logits themselves instead of probabilities. Default: false.'),
    user: userField,
    ...encoderFields,
    truncation_direction: unsupportedField('Right', 'right'),
    truncate_prompt_tokens: unsupportedField(),
    activation: unsupportedField(),
    prompt_name: unsupportedField(),
  })
  .check(exactlyOne('inputs', 'input'));

export type ClassifyBody = z.output<typeof classifyRequestSchema>;

const labelScoreSchema = z.strictObject({ label: z.string(), score: z.number() });

export const classifyAnswerSchema = z.strictObject({
  object: z.literal('list'),
  data: z.array(
    z.strictObject({
      index: z.int(),
      label: z.string().describe('The best one.'),
      score: z.number(),
      scores: z.array(labelScoreSchema).describe('Every label, or the top_k best ones, the best first.'),
    }),
  ),
  model: z.string(),
  usage: encoderUsageSchema,
});

export type ClassifyAnswer = z.output<typeof classifyAnswerSchema>;

export function toClassificationRequest(body: ClassifyBody): ForModel<ClassificationRequest> {
  const inputs = body.inputs ?? body.input ?? [];
  return {
    model: body.model,
    inputs: typeof inputs === 'string' ? [inputs] : inputs.map(toInput),
    rawScores: body.raw_scores ?? undefined,
    ...toEncoderOptions(body),
  };
}

function toInput(input: string | readonly [string, string]): ClassificationRequest['inputs'][number] {
  return typeof input === 'string' ? input : { text: input[0], pair: input[1] };
}

/** @param labels of one input, the best first */
export function formatLabels(
  labels: readonly LabelScore[],
  index: number,
  top: number | null | undefined,
): ClassifyAnswer['data'][number] {
  const [best] = labels;
  const scores = labels.slice(0, top ?? labels.length).map(({ label, score }) => ({ label, score }));
  return { index, label: best?.label ?? '', score: best?.score ?? 0, scores };
}
