import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { ModelProvider } from '../model/model.provider.js';
import { tellFacts } from '../transport/answer-headers.js';
import { callOptions } from '../transport/call.js';
import {
  detokenizeRequestSchema,
  tokenizeRequestSchema,
  toDetokenizeRequest,
  toTokenizeRequest,
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
  async tokenize(
    @Body({ schema: tokenizeRequestSchema }) body: TokenizeBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TokenizeAnswer> {
    const result = await this.models.tokenize(toTokenizeRequest(body), callOptions(response, body.user));
    tellFacts(response, result);
    const pieces = result.tokens.map(({ id, text, special }) => ({ id, text, special }));
    return { model: body.model, count: pieces.length, tokens: pieces.map(({ id }) => id), pieces };
  }

  @Post('detokenize')
  @HttpCode(200)
  async detokenize(
    @Body({ schema: detokenizeRequestSchema }) body: DetokenizeBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<DetokenizeAnswer> {
    const result = await this.models.detokenize(toDetokenizeRequest(body), callOptions(response, body.user));
    tellFacts(response, result);
    return { model: body.model, text: result.text };
  }
}
