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

/** A text, or two that the model reads together. */
const sequenceField = z.union([z.tuple([textField]), z.tuple([textField, textField])]);

const inputsField = z.union([textField, sequenceField, z.array(sequenceField).min(1).max(MOST_INPUTS)], {
  error: `must be a text, a pair of texts, or an array of up to ${MOST_INPUTS} [text] or [text, text], none empty; several texts alone go into input`,
});

const textsField = z.union([textField, z.array(textField).min(1).max(MOST_INPUTS)], {
  error: `must be a text, or an array of up to ${MOST_INPUTS} texts, none empty; pairs go into inputs`,
});

/** `POST /v1/classify` */
export const classifyRequestSchema = z
  .strictObject({
    model: modelField,
    inputs: inputsField
      .optional()
      .describe(
        'As text-embeddings-inference has it: a text, a pair ["a", "b"], or several of them [["a"], ["b", "c"]].',
      ),
    input: textsField.optional().describe('As vLLM has it: a text, or several ["a", "b"].'),
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
  return {
    model: body.model,
    inputs: body.inputs === undefined ? toTexts(body.input ?? []) : toInputs(body.inputs),
    rawScores: body.raw_scores ?? undefined,
    ...toEncoderOptions(body),
  };
}

type Sequence = z.output<typeof sequenceField>;

function toTexts(input: z.output<typeof textsField> | readonly []): readonly string[] {
  return typeof input === 'string' ? [input] : input;
}

function toInputs(inputs: z.output<typeof inputsField>): ClassificationRequest['inputs'] {
  if (typeof inputs === 'string') return [inputs];
  return isSequence(inputs) ? [toInput(inputs)] : inputs.map(toInput);
}

function isSequence(inputs: Sequence | readonly Sequence[]): inputs is Sequence {
  return typeof inputs[0] === 'string';
}

function toInput([text, pair]: Sequence): ClassificationRequest['inputs'][number] {
  return pair === undefined ? text : { text, pair };
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
