import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { Response } from 'express';
import type { TokenLogprobs } from '../engine/types.js';
import { ModelProvider } from '../model/model.provider.js';
import {
  completionRequestSchema,
  completionToModelRequests,
  type CompletionRequest,
} from './completions.schema.js';
import { collectRun, formatUsage, startRun, type FinishedRun } from './generation-run.js';
import { formatCompletionLogprobs } from './logprobs-format.js';
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
    const run = await startRun(this.models, completionToModelRequests(body), response, {
      stream,
      n: body.n ?? 1,
      user: body.user,
    });
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
    choices: choices.map(({ index, text, finishReason, logprobs }) =>
      choice(index, text, finishReason, logprobs),
    ),
    usage: formatUsage(usage),
  };
}

function choice(
  index: number,
  text: string,
  reason: string | null,
  logprobs: readonly TokenLogprobs[] = [],
  offset = 0,
): object {
  const formatted = logprobs.length > 0 ? formatCompletionLogprobs(logprobs, offset) : null;
  return { index, text, logprobs: formatted, finish_reason: reason };
}

function chunkFormat(envelope: object): ChunkFormat {
  const offsets = new Map<number, number>();
  return {
    envelope,
    text(index, text, logprobs) {
      const offset = offsets.get(index) ?? 0;
      offsets.set(index, offset + (logprobs?.text.length ?? 0));
      return [choice(index, text, null, logprobs ? [logprobs] : [], offset)];
    },
    finish: (index, reason) => [choice(index, '', reason)],
  };
}
