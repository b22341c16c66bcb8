import { Logger } from '@nestjs/common';
import type { Response } from 'express';
import type { FinishReason, GenerationEvent, Usage } from '../engine/types.js';
import { toErrorAnswer } from '../transport/error-envelope.js';
import { addUsage, formatUsage, type GenerationRun } from './generation-run.js';

type TextEvent = Exclude<GenerationEvent, { type: 'start' }>;

/** How one endpoint writes its chunks. */
export interface ChunkFormat {
  /** A chunk's fields but its `choices` (and `usage`). */
  readonly envelope: object;
  /** The first chunk of a choice, if the endpoint has one that carries no text. */
  readonly opening?: (index: number) => object;
  readonly text: (index: number, text: string) => object;
  readonly finish: (index: number, reason: FinishReason) => object;
}

/** Nest sends what the handler yields as it comes, and reads the first frame before it commits the headers. */
export function streamAnswer(
  response: Response,
  run: GenerationRun,
  format: ChunkFormat,
  includeUsage: boolean,
): AsyncGenerator<string> {
  response.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
  response.setHeader('Cache-Control', 'no-cache');
  response.setHeader('X-Accel-Buffering', 'no'); // nginx would collect the stream
  return frames(run, format, includeUsage);
}

/** OpenAI's order: chunks, the last of a choice with its `finish_reason`, the usage if asked, `[DONE]`; on failure an error instead. */
async function* frames(
  run: GenerationRun,
  format: ChunkFormat,
  includeUsage: boolean,
): AsyncGenerator<string> {
  const extra = includeUsage ? { usage: null } : {};
  const opened = new Set<number>();
  let usage: Usage = { promptTokens: 0, completionTokens: 0 };
  try {
    for await (const { index, item } of run.events) {
      if (item.type === 'start') continue; // until the first token a failure is still an HTTP error
      for (const choice of choicesOf(index, item, format, opened))
        yield frame({ ...format.envelope, choices: [choice], ...extra });
      if (item.type === 'finish') usage = addUsage(usage, item.usage);
    }
  } catch (error) {
    if (opened.size === 0) throw error;
    yield failureFrame(error);
    return;
  }
  if (includeUsage) yield frame({ ...format.envelope, choices: [], usage: formatUsage(usage) });
  yield 'data: [DONE]\n\n';
}

function* choicesOf(
  index: number,
  event: TextEvent,
  format: ChunkFormat,
  opened: Set<number>,
): Generator<object> {
  if (!opened.has(index)) {
    opened.add(index);
    if (format.opening) yield format.opening(index);
  }
  if (event.text !== '') yield format.text(index, event.text);
  if (event.type === 'finish') yield format.finish(index, event.finishReason);
}

function failureFrame(error: unknown): string {
  const answer = toErrorAnswer(error);
  if (answer.status >= 500)
    new Logger('Request').warn(`stream ended by ${answer.error.code}: ${answer.error.message}`);
  return frame({ error: answer.error });
}

function frame(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
