import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { endianness } from 'node:os';
import { formatEncoderUsage } from '../encoders/encoder-fields.js';
import { ModelProvider } from '../model/model.provider.js';
import { tellFacts } from '../transport/answer-headers.js';
import { callOptions } from '../transport/call.js';
import {
  embeddingRequestSchema,
  toEmbeddingRequest,
  type EmbeddingAnswer,
  type EmbeddingBody,
} from './embeddings.schema.js';

/** OpenAI's embeddings: a vector for each text. */
@Controller('v1')
export class EmbeddingsController {
  constructor(readonly models: ModelProvider) {}

  @Post('embeddings')
  @HttpCode(200)
  async create(
    @Body({ schema: embeddingRequestSchema }) body: EmbeddingBody,
    @Res({ passthrough: true }) response: Response,
  ): Promise<EmbeddingAnswer> {
    const result = await this.models.embed(toEmbeddingRequest(body), callOptions(response, body.user));
    tellFacts(response, result);
    const format = body.encoding_format === 'base64' ? toBase64 : toNumbers;
    return {
      object: 'list',
      data: result.embeddings.map((vector, index) => ({
        object: 'embedding',
        index,
        embedding: format(vector),
      })),
      model: body.model,
      usage: formatEncoderUsage(result.promptTokens),
    };
  }
}

function toNumbers(vector: Float32Array): number[] {
  return [...vector];
}

/** Little-endian, wherever the server runs. */
function toBase64(vector: Float32Array): string {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
  return (endianness() === 'LE' ? bytes : Buffer.from(bytes).swap32()).toString('base64');
}
