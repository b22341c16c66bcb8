import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { Response } from 'express';
import type { FinishReason, TokenLogprobs } from '../engine/types.js';
import { ModelProvider } from '../model/model.provider.js';
import { chatRequestSchema, chatToModelRequests, type ChatRequest } from './chat.schema.js';
import { collectRun, formatUsage, startRun, type FinishedRun } from './generation-run.js';
import { formatChatLogprobs } from './logprobs-format.js';
import { streamAnswer, type ChunkFormat } from './stream-answer.js';
import { readAnswer, ToolDeltas, type CallReading } from './tool-answer.js';
import { toolUse } from './tools.schema.js';

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
    const reading = callReading(body);
    if (stream) {
      const format = chunkFormat({ ...envelope, object: 'chat.completion.chunk' }, reading);
      return streamAnswer(response, run, format, body.stream_options?.include_usage === true);
    }
    return { ...envelope, object: 'chat.completion', ...formatAnswer(await collectRun(run), reading) };
  }
}

function callReading(body: ChatRequest): CallReading {
  const { tools = [], most = 0 } = toolUse(body) ?? {};
  return { names: tools.map((tool) => tool.function.name), most };
}

function formatAnswer({ choices, usage }: FinishedRun, reading: CallReading): object {
  return {
    choices: choices.map(({ index, text, finishReason, logprobs, toolFormat }) => {
      const { content, calls } = toolFormat
        ? readAnswer(text, toolFormat, reading)
        : { content: text, calls: [] };
      return {
        index,
        message: {
          role: 'assistant',
          content,
          refusal: null,
          ...(calls.length > 0 ? { tool_calls: calls } : {}),
        },
        logprobs: logprobs.length > 0 ? formatChatLogprobs(logprobs) : null,
        finish_reason: reasonOf(finishReason, calls.length > 0),
      };
    }),
    usage: formatUsage(usage),
  };
}

/** Calls that were cut off are incomplete: that is what their reader has to know. */
function reasonOf(reason: FinishReason, hasCalls: boolean): string {
  return reason === 'stop' && hasCalls ? 'tool_calls' : reason;
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
      return [...last, choice(index, {}, reasonOf(reason, parser?.hasCalls === true))];
    },
  };
}
