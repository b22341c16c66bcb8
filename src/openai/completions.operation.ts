import { randomUUID } from 'node:crypto';
import type { TokenLogprobs } from '../engine/types.js';
import type { CallOptions, ModelProvider } from '../model/model.provider.js';
import type { Operation } from '../transport/operation.js';
import {
  completionRequestSchema,
  completionToModelRequests,
  type CompletionRequest,
} from './completions.schema.js';
import { collectRun, formatUsage, startRun, type FinishedRun, type GenerationRun } from './generation-run.js';
import { formatCompletionLogprobs } from './logprobs-format.js';

/** A text completion, whole. */
export const completionOperation: Operation<typeof completionRequestSchema> = {
  path: '/v1/completions',
  schema: completionRequestSchema,
  async run(models, body, call) {
    const run = await startCompletion(models, body, call, false);
    return {
      body: { ...completionEnvelope(body), ...formatAnswer(await collectRun(run)) },
      facts: run.facts,
    };
  },
};

export function startCompletion(
  models: ModelProvider,
  body: CompletionRequest,
  call: CallOptions,
  stream: boolean,
): Promise<GenerationRun> {
  return startRun(models, completionToModelRequests(body), { ...call, stream, n: body.n ?? 1 });
}

export function completionEnvelope({ model }: CompletionRequest): object {
  return {
    id: `cmpl-${randomUUID()}`,
    object: 'text_completion',
    created: Math.floor(Date.now() / 1000),
    model,
  };
}

export function completionChoice(
  index: number,
  text: string,
  reason: string | null,
  logprobs: readonly TokenLogprobs[] = [],
  offset = 0,
): object {
  const formatted = logprobs.length > 0 ? formatCompletionLogprobs(logprobs, offset) : null;
  return { index, text, logprobs: formatted, finish_reason: reason };
}

function formatAnswer({ choices, usage }: FinishedRun): object {
  return {
    choices: choices.map(({ index, text, finishReason, logprobs }) =>
      completionChoice(index, text, finishReason, logprobs),
    ),
    usage: formatUsage(usage),
  };
}
