import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { ModelProvider } from '../model/model.provider.js';
import { answerRequest } from '../transport/operation.js';
import { detokenizeOperation, tokenizeOperation } from './tokenize.operation.js';
import {
  detokenizeRequestSchema,
  tokenizeRequestSchema,
  type DetokenizeAnswer,
  type DetokenizeBody,
  type TokenizeAnswer,
  type TokenizeBody,
} from './tokenize.schema.js';

/** Text to tokens and back, as any resident model has them. */
@Controller('v1')
export class TokenizeController {
  constructor(readonly models: ModelProvider) {}

  @Post('tokenize')
  @HttpCode(200)
  tokenize(
    @Body({ schema: tokenizeRequestSchema }) body: TokenizeBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TokenizeAnswer> {
    return answerRequest(tokenizeOperation, this.models, body, response);
  }

  @Post('detokenize')
  @HttpCode(200)
  detokenize(
    @Body({ schema: detokenizeRequestSchema }) body: DetokenizeBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<DetokenizeAnswer> {
    return answerRequest(detokenizeOperation, this.models, body, response);
  }
}
