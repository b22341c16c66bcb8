import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { ModelProvider } from '../model/model.provider.js';
import { answerRequest } from '../transport/operation.js';
import { classifyOperation } from './classify.operation.js';
import { classifyRequestSchema, type ClassifyAnswer, type ClassifyBody } from './classify.schema.js';

/** A label for each text or pair of texts: `inputs` as text-embeddings-inference takes them, `input` as vLLM does. */
@Controller('v1')
export class ClassifyController {
  constructor(readonly models: ModelProvider) {}

  @Post('classify')
  @HttpCode(200)
  create(
    @Body({ schema: classifyRequestSchema }) body: ClassifyBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ClassifyAnswer> {
    return answerRequest(classifyOperation, this.models, body, response);
  }
}
