import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { ModelProvider } from '../model/model.provider.js';
import { answerRequest } from '../transport/operation.js';
import { embeddingOperation } from './embeddings.operation.js';
import { embeddingRequestSchema, type EmbeddingAnswer, type EmbeddingBody } from './embeddings.schema.js';

/** OpenAI's embeddings: a vector for each text. */
@Controller('v1')
export class EmbeddingsController {
  constructor(readonly models: ModelProvider) {}

  @Post('embeddings')
  @HttpCode(200)
  create(
    @Body({ schema: embeddingRequestSchema }) body: EmbeddingBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<EmbeddingAnswer> {
    return answerRequest(embeddingOperation, this.models, body, response);
  }
}
