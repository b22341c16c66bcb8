import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { randomUUID } from 'node:crypto';
import { ModelProvider } from '../model/model.provider.js';
import { tellFacts } from '../transport/answer-headers.js';
import { callOptions } from '../transport/call.js';
import { formatEncoderUsage } from './encoder-fields.js';
import {
  formatRerankResults,
  rerankRequestSchema,
  toRerankRequest,
  type RerankAnswer,
  type RerankBody,
} from './rerank.schema.js';

/** Cohere's and Jina's reranking: documents in the order of their relevance to a query. */
@Controller('v1')
export class RerankController {
  constructor(readonly models: ModelProvider) {}

  @Post('rerank')
  @HttpCode(200)
  async create(
    @Body({ schema: rerankRequestSchema }) body: RerankBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RerankAnswer> {
    const result = await this.models.rerank(toRerankRequest(body), callOptions(response, body.user));
    tellFacts(response, result);
    return {
      id: `rerank-${randomUUID()}`,
      model: body.model,
      results: formatRerankResults(body, result.scores),
      usage: formatEncoderUsage(result.promptTokens),
    };
  }
}
