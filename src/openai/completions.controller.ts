import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { ModelProvider } from '../model/model.provider.js';
import { tellFacts } from '../transport/answer-headers.js';
import { callOptions } from '../transport/call.js';
import { answerRequest } from '../transport/operation.js';
import {
  completionChoice,
  completionEnvelope,
  completionOperation,
  startCompletion,
} from './completions.operation.js';
import { completionRequestSchema, type CompletionRequest } from './completions.schema.js';
import { streamAnswer, type ChunkFormat } from './stream-answer.js';

/** OpenAI's text completions: a prompt goes on where it ends. */
@Controller('v1')
export class CompletionsController {
  constructor(readonly models: ModelProvider) {}

  @Post('completions')
  @HttpCode(200)
  async create(
    @Body({ schema: completionRequestSchema }) body: CompletionRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<object> {
    if (body.stream !== true) return answerRequest(completionOperation, this.models, body, response);
    const run = await startCompletion(this.models, body, callOptions(response, body.user), true);
    tellFacts(response, run.facts);
    const format = chunkFormat(completionEnvelope(body));
    return streamAnswer(response, run, format, body.stream_options?.include_usage === true);
  }
}

function chunkFormat(envelope: object): ChunkFormat {
  const offsets = new Map<number, number>();
  return {
    envelope,
    text(index, text, logprobs) {
      const offset = offsets.get(index) ?? 0;
      offsets.set(index, offset + (logprobs?.text.length ?? 0));
      return [completionChoice(index, text, null, logprobs ? [logprobs] : [], offset)];
    },
    finish: (index, reason) => [completionChoice(index, '', reason)],
  };
}
