import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { Response } from 'express';
import { ModelProvider } from '../model/model.provider.js';
import {
  completionRequestSchema,
  completionToModelRequests,
  type CompletionRequest,
} from './completions.schema.js';
import { collectRun, formatUsage, startRun, type FinishedRun } from './generation-run.js';
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
    const stream = body.stream === true;
    const run = await startRun(this.models, completionToModelRequests(body), response, stream);
    const envelope = {
      id: `cmpl-${randomUUID()}`,
      object: 'text_completion',
      created: Math.floor(Date.now() / 1000),
      model: body.model,
    };
    if (stream)
      return streamAnswer(response, run, chunkFormat(envelope), body.stream_options?.include_usage === true);
    return { ...envelope, ...formatAnswer(await collectRun(run)) };
  }
}

function formatAnswer({ choices, usage }: FinishedRun): object {
  return {
    choices: choices.map(({ index, text, finishReason }) => choice(index, text, finishReason)),
    usage: formatUsage(usage),
  };
}

function choice(index: number, text: string, reason: string | null): object {
  return { index, text, logprobs: null, finish_reason: reason };
}

function chunkFormat(envelope: object): ChunkFormat {
  return {
    envelope,
    text: (index, text) => choice(index, text, null),
    finish: (index, reason) => choice(index, '', reason),
  };
}
