import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { ModelProvider } from '../model/model.provider.js';
import { tellFacts } from '../transport/answer-headers.js';
import { callOptions } from '../transport/call.js';
import {
  classifyRequestSchema,
  formatLabels,
  toClassificationRequest,
  type ClassifyAnswer,
  type ClassifyBody,
} from './classify.schema.js';
import { formatEncoderUsage } from './encoder-fields.js';

/** A label for each text or pair of texts; inputs as text-embeddings-inference takes them. */
@Controller('v1')
export class ClassifyController {
  constructor(readonly models: ModelProvider) {}

  @Post('classify')
  @HttpCode(200)
  async create(
    @Body({ schema: classifyRequestSchema }) body: ClassifyBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ClassifyAnswer> {
    const result = await this.models.classify(
      toClassificationRequest(body),
      callOptions(response, body.user),
    );
    tellFacts(response, result);
    return {
      object: 'list',
      data: result.labels.map((labels, index) => formatLabels(labels, index, body.top_k)),
      model: body.model,
      usage: formatEncoderUsage(result.promptTokens),
    };
  }
}
