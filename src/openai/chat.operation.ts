import { randomUUID } from 'node:crypto';
import type { FinishReason } from '../engine/types.js';
import type { CallOptions, ModelProvider } from '../model/model.provider.js';
import type { Operation } from '../transport/operation.js';
import { chatRequestSchema, chatToModelRequests, type ChatRequest } from './chat.schema.js';
import { collectRun, formatUsage, startRun, type FinishedRun, type GenerationRun } from './generation-run.js';
import { formatChatLogprobs } from './logprobs-format.js';
import { readAnswer, type CallReading } from './tool-answer.js';
import { toolUse } from './tools.schema.js';

/** An answer to a chat, whole. */
export const chatOperation: Operation<typeof chatRequestSchema> = {
  path: '/v1/chat/completions',
  schema: chatRequestSchema,
  async run(models, body, call) {
    const run = await startChat(models, body, call, false);
    const answer = formatAnswer(await collectRun(run), callReading(body));
    return { body: { ...chatEnvelope(body, 'chat.completion'), ...answer }, facts: run.facts };
  },
};

export function startChat(
  models: ModelProvider,
  body: ChatRequest,
  call: CallOptions,
  stream: boolean,
): Promise<GenerationRun> {
  return startRun(models, chatToModelRequests(body), { ...call, stream, n: body.n ?? 1 });
}

export function chatEnvelope(
  { model }: ChatRequest,
  object: 'chat.completion' | 'chat.completion.chunk',
): object {
  return { id: `chatcmpl-${randomUUID()}`, object, created: Math.floor(Date.now() / 1000), model };
}

export function callReading(body: ChatRequest): CallReading {
  const { tools = [], most = 0 } = toolUse(body) ?? {};
  return { names: tools.map((tool) => tool.function.name), most };
}

/** Calls that were cut off are incomplete: that is what their reader has to know. */
export function chatFinishReason(reason: FinishReason, hasCalls: boolean): string {
  return reason === 'stop' && hasCalls ? 'tool_calls' : reason;
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
        finish_reason: chatFinishReason(finishReason, calls.length > 0),
      };
    }),
    usage: formatUsage(usage),
  };
}
