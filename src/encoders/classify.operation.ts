import type { Operation } from '../transport/operation.js';
import {
  classifyRequestSchema,
  formatLabels,
  toClassificationRequest,
  type ClassifyAnswer,
} from './classify.schema.js';
import { formatEncoderUsage } from './encoder-fields.js';

/** Labels for each text or pair of texts. */
export const classifyOperation: Operation<typeof classifyRequestSchema, ClassifyAnswer> = {
  path: '/v1/classify',
  schema: classifyRequestSchema,
  async run(models, body, call) {
    const result = await models.classify(toClassificationRequest(body), call);
    return {
      body: {
        object: 'list',
        data: result.labels.map((labels, index) => formatLabels(labels, index, body.top_k)),
        model: body.model,
        usage: formatEncoderUsage(result.promptTokens),
      },
      facts: result,
    };
  },
};
