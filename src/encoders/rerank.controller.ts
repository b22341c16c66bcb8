import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { ModelProvider } from '../model/model.provider.js';
import { answerRequest } from '../transport/operation.js';
import { rerankOperation } from './rerank.operation.js';
import { rerankRequestSchema, type RerankAnswer, type RerankBody } from './rerank.schema.js';

/** Cohere's and Jina's reranking: documents in the order of their relevance to a query. */
@Controller('v1')
export class RerankController {
  constructor(readonly models: ModelProvider) {}

  @Post('rerank')
  @HttpCode(200)
  create(
    @Body({ schema: rerankRequestSchema }) body: RerankBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RerankAnswer> {
    return answerRequest(rerankOperation, this.models, body, response);
  }
}
