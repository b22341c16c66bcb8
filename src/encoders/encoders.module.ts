import { Module } from '@nestjs/common';
import { ClassifyController } from './classify.controller.js';
import { RerankController } from './rerank.controller.js';
import { TokenizeController } from './tokenize.controller.js';

/** What models answer in one piece, under `/v1`, but for OpenAI's embeddings. Needs `ModelModule`. */
@Module({ controllers: [RerankController, ClassifyController, TokenizeController] })
export class EncodersModule {}
