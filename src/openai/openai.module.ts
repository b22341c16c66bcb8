import { Module } from '@nestjs/common';
import { ChatController } from './chat.controller.js';
import { CompletionsController } from './completions.controller.js';
import { EmbeddingsController } from './embeddings.controller.js';
import { ModelsController } from './models.controller.js';

/** OpenAI's REST API under `/v1`. Needs `ModelModule`. */
@Module({ controllers: [CompletionsController, ChatController, EmbeddingsController, ModelsController] })
export class OpenAiModule {}
