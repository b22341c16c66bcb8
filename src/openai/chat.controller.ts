import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import type { TokenLogprobs } from '../engine/types.js';
import { ModelProvider } from '../model/model.provider.js';
import { tellFacts } from '../transport/answer-headers.js';
import { callOptions } from '../transport/call.js';
import { answerRequest } from '../transport/operation.js';
import { callReading, chatEnvelope, chatFinishReason, chatOperation, startChat } from './chat.operation.js';
import { chatRequestSchema, type ChatRequest } from './chat.schema.js';
import { formatChatLogprobs } from './logprobs-format.js';
import { streamAnswer, type ChunkFormat } from './stream-answer.js';
import { ToolDeltas, type CallReading } from './tool-answer.js';

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
    if (body.stream !== true) return answerRequest(chatOperation, this.models, body, response);
    const run = await startChat(this.models, body, callOptions(response, body.user), true);
    tellFacts(response, run.facts);
    const format = chunkFormat(chatEnvelope(body, 'chat.completion.chunk'), callReading(body));
    return streamAnswer(response, run, format, body.stream_options?.include_usage === true);
  }
}

function choice(index: number, delta: object, reason: string | null, logprobs?: TokenLogprobs): object {
  return { index, delta, logprobs: logprobs ? formatChatLogprobs([logprobs]) : null, finish_reason: reason };
}

function chunkFormat(envelope: object, reading: CallReading): ChunkFormat {
  const parsers = new Map<number, ToolDeltas>();
  return {
    envelope,
    opening: (index) => choice(index, { role: 'assistant', content: '' }, null),
    start(index, { toolFormat }) {
      if (toolFormat) parsers.set(index, new ToolDeltas(toolFormat, reading));
    },
    text(index, text, logprobs) {
      const deltas = parsers.get(index)?.push(text) ?? [{ content: text }];
      if (deltas.length === 0 && logprobs) deltas.push({ content: '' });
      // told once, with the first of what a token gives
      return deltas.map((delta, i) => choice(index, delta, null, i === 0 ? logprobs : undefined));
    },
    finish(index, reason) {
      const parser = parsers.get(index);
      const last = parser?.finish().map((delta) => choice(index, delta, null)) ?? [];
      return [...last, choice(index, {}, chatFinishReason(reason, parser?.hasCalls === true))];
    },
  };
}
