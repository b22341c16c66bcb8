import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { Response } from 'express';
import type { TokenLogprobs } from '../engine/types.js';
import { ModelProvider } from '../model/model.provider.js';
import { chatRequestSchema, chatToModelRequests, type ChatRequest } from './chat.schema.js';
import { collectRun, formatUsage, startRun, type FinishedRun } from './generation-run.js';
import { formatChatLogprobs } from './logprobs-format.js';
import { streamAnswer, type ChunkFormat } from './stream-answer.js';

/** OpenAI's chat completions, through the model's own chat template. */
@Controller('v1')
export class ChatController {
  constructor(readonly models: ModelProvider) {}

  @Post('chat/completions')
  @HttpCode(200)
  async create(
    @Body({ schema: chatRequestSchema }) body: ChatRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<object> {
    const stream = body.stream === true;
    const run = await startRun(this.models, chatToModelRequests(body), response, {
      stream,
      n: body.n ?? 1,
      user: body.user,
    });
    const envelope = {
      id: `chatcmpl-${randomUUID()}`,
      created: Math.floor(Date.now() / 1000),
      model: body.model,
    };
    if (stream) {
      const format = chunkFormat({ ...envelope, object: 'chat.completion.chunk' });
      return streamAnswer(response, run, format, body.stream_options?.include_usage === true);
    }
    return { ...envelope, object: 'chat.completion', ...formatAnswer(await collectRun(run)) };
  }
}

function formatAnswer({ choices, usage }: FinishedRun): object {
  return {
    choices: choices.map(({ index, text, finishReason, logprobs }) => ({
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: logprobs.length > 0 ? formatChatLogprobs(logprobs) : null,
      finish_reason: finishReason,
    })),
    usage: formatUsage(usage),
  };
}

function choice(index: number, delta: object, reason: string | null, logprobs?: TokenLogprobs): object {
  return { index, delta, logprobs: logprobs ? formatChatLogprobs([logprobs]) : null, finish_reason: reason };
}

function chunkFormat(envelope: object): ChunkFormat {
  return {
    envelope,
    opening: (index) => choice(index, { role: 'assistant', content: '' }, null),
    text: (index, text, logprobs) => choice(index, { content: text }, null, logprobs),
    finish: (index, reason) => choice(index, {}, reason),
  };
}
