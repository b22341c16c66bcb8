import type { Response } from 'express';
import type { FinishReason, GenerationEvent, TokenLogprobs } from '../engine/types.js';
import { requestIdOf } from '../transport/answer-headers.js';
import { reportFailure } from '../transport/report-failure.js';
import { formatUsage, RunUsage, type GenerationRun } from './generation-run.js';

/** How one endpoint writes its chunks. */
export interface ChunkFormat {
  /** A chunk's fields but its `choices` (and `usage`). */
  readonly envelope: object;
  /** The first chunk of a choice, if the endpoint has one that carries no text. */
  readonly opening?: (index: number) => object;
  /** Told of a choice before anything else. */
  readonly start?: (index: number, event: Extract<GenerationEvent, { type: 'start' }>) => void;
  /** @param logprobs of the token that settled this text, if they were asked for */
  readonly text: (index: number, text: string, logprobs: TokenLogprobs | undefined) => readonly object[];
  readonly finish: (index: number, reason: FinishReason) => readonly object[];
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
  return frames(run, format, includeUsage, requestIdOf(response));
}

/** OpenAI's order: chunks, the last of a choice with its `finish_reason`, the usage if asked, `[DONE]`; on failure an error instead. */
async function* frames(
  run: GenerationRun,
  format: ChunkFormat,
  includeUsage: boolean,
  requestId: string | undefined,
): AsyncGenerator<string> {
  const extra = includeUsage ? { usage: null } : {};
  const opened = new Set<number>();
  const usage = new RunUsage(run.n);
  try {
    for await (const { index, item } of run.events) {
      if (item.type === 'start') format.start?.(index, item);
      // until the first token a failure is still an HTTP error
      if (item.type === 'start' && item.promptText === undefined) continue;
      for (const choice of choicesOf(index, item, format, opened))
        yield frame({ ...format.envelope, choices: [choice], ...extra });
      if (item.type === 'finish') usage.add(index, item.usage);
    }
  } catch (error) {
    if (opened.size === 0) throw error;
    yield frame({ error: reportFailure(error, requestId).error });
    return;
  }
  if (includeUsage) yield frame({ ...format.envelope, choices: [], usage: formatUsage(usage.total) });
  yield 'data: [DONE]\n\n';
}

function* choicesOf(
  index: number,
  event: GenerationEvent,
  format: ChunkFormat,
  opened: Set<number>,
): Generator<object> {
  if (!opened.has(index)) {
    opened.add(index);
    if (format.opening) yield format.opening(index);
  }
  const text = event.type === 'start' ? (event.promptText ?? '') : event.text;
  const logprobs = event.type === 'token' ? event.logprobs : undefined;
  if (text !== '' || logprobs) yield* format.text(index, text, logprobs);
  if (event.type === 'finish') yield* format.finish(index, event.finishReason);
}

function frame(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
