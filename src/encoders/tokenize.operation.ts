import type { Operation } from '../transport/operation.js';
import {
  detokenizeRequestSchema,
  tokenizeRequestSchema,
  toDetokenizeRequest,
  toTokenizeRequest,
  type DetokenizeAnswer,
  type TokenizeAnswer,
} from './tokenize.schema.js';

/** The tokens of a text. */
export const tokenizeOperation: Operation<typeof tokenizeRequestSchema, TokenizeAnswer> = {
  path: '/v1/tokenize',
  schema: tokenizeRequestSchema,
  async run(models, body, call) {
    const result = await models.tokenize(toTokenizeRequest(body), call);
    const pieces = result.tokens.map(({ id, text, special }) => ({ id, text, special }));
    return {
      body: { model: body.model, count: pieces.length, tokens: pieces.map(({ id }) => id), pieces },
      facts: result,
    };
  },
};

/** The text of tokens. */
export const detokenizeOperation: Operation<typeof detokenizeRequestSchema, DetokenizeAnswer> = {
  path: '/v1/detokenize',
  schema: detokenizeRequestSchema,
  async run(models, body, call) {
    const result = await models.detokenize(toDetokenizeRequest(body), call);
    return { body: { model: body.model, text: result.text }, facts: result };
  },
};
