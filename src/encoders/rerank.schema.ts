import { z } from 'zod';
import type { RerankRequest } from '../engine/encoder-types.js';
import type { ForModel } from '../model/model.provider.js';
import { unsupportedField } from '../transport/validation.js';
import {
  encoderFields,
  encoderUsageSchema,
  modelField,
  MOST_INPUTS,
  rawScoresField,
  textField,
  toEncoderOptions,
  userField,
} from './encoder-fields.js';

const documentField = z.union([textField, z.strictObject({ text: textField })], {
  error: 'must be a string or an object with a text, not empty',
});

/** `POST /v1/rerank` */
export const rerankRequestSchema = z.strictObject({
  model: modelField,
  query: textField,
  documents: z.array(documentField).min(1).max(MOST_INPUTS),
  top_n: z.int().min(1).nullish().describe('Only the so many most relevant ones. Default: all.'),
  return_documents: z
    .boolean()
    .nullish()
    .describe('Tell the text of each document with its score. Default: false, as Cohere has it.'),
  raw_scores: rawScoresField.describe(
    'The logits themselves instead of relevances between 0 and 1. Default: false.',
  ),
  user: userField,
  ...encoderFields,
  rank_fields: unsupportedField(['text']),
  max_chunks_per_doc: unsupportedField(),
  max_tokens_per_doc: unsupportedField(),
  overlap_tokens: unsupportedField(),
});

export type RerankBody = z.output<typeof rerankRequestSchema>;

export const rerankAnswerSchema = z.strictObject({
  id: z.string(),
  model: z.string(),
  results: z
    .array(
      z.strictObject({
        index: z.int().describe('Of the document in the request.'),
        relevance_score: z.number(),
        document: z.strictObject({ text: z.string() }).optional(),
      }),
    )
    .describe('The most relevant first.'),
  usage: encoderUsageSchema,
});

export type RerankAnswer = z.output<typeof rerankAnswerSchema>;

export function toRerankRequest(body: RerankBody): ForModel<RerankRequest> {
  return {
    model: body.model,
    query: body.query,
    documents: body.documents.map(textOf),
    rawScores: body.raw_scores ?? undefined,
    ...toEncoderOptions(body),
  };
}

/** The best `top_n`; equal scores stay in the order of the documents. */
export function formatRerankResults(body: RerankBody, scores: readonly number[]): RerankAnswer['results'] {
  return [...scores.entries()]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, body.top_n ?? scores.length)
    .map(([index, relevance_score]) => {
      const document = body.documents[index];
      const isTold = body.return_documents === true && document !== undefined;
      return { index, relevance_score, ...(isTold ? { document: { text: textOf(document) } } : {}) };
    });
}

function textOf(document: RerankBody['documents'][number]): string {
  return typeof document === 'string' ? document : document.text;
}
