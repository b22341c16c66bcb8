import { randomUUID } from 'node:crypto';
import type { Operation } from '../transport/operation.js';
import { formatEncoderUsage } from './encoder-fields.js';
import {
  formatRerankResults,
  rerankRequestSchema,
  toRerankRequest,
  type RerankAnswer,
} from './rerank.schema.js';

/** Documents in the order of their relevance to a query. */
export const rerankOperation: Operation<typeof rerankRequestSchema, RerankAnswer> = {
  path: '/v1/rerank',
  schema: rerankRequestSchema,
  async run(models, body, call) {
    const result = await models.rerank(toRerankRequest(body), call);
    return {
      body: {
        id: `rerank-${randomUUID()}`,
        model: body.model,
        results: formatRerankResults(body, result.scores),
        usage: formatEncoderUsage(result.promptTokens),
      },
      facts: result,
    };
  },
};
