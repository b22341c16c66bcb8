import type { Response } from 'express';
import type { FinishReason, GenerationEvent, Usage } from '../engine/types.js';
import type { ModelProvider, ModelRequest } from '../model/model.provider.js';
import { abortOnClose } from '../transport/abort-on-close.js';
import { mergeIndexed, type Indexed } from './merge.js';

/** The generations of one HTTP request, under way. */
export interface GenerationRun {
  /** The events of all of them as they come, `index` telling which prompt they belong to. */
  readonly events: AsyncIterable<Indexed<GenerationEvent>>;
}

export interface FinishedChoice {
  readonly index: number;
  readonly text: string;
  readonly finishReason: FinishReason;
}

export interface FinishedRun {
  readonly choices: readonly FinishedChoice[];
  readonly usage: Usage;
}

/**
 * Starts one generation per request and waits for the first sign of the engine, so that whatever is wrong by then is an
 * HTTP error and not an event in a stream. Sets `x-resident-instance`. A client that goes away ends them all.
 */
export async function startRun(
  models: ModelProvider,
  requests: readonly ModelRequest[],
  response: Response,
  stream: boolean,
): Promise<GenerationRun> {
  const signal = abortOnClose(response);
  const iterator = mergeIndexed(
    requests.map((request) => models.generate(request, { signal, priority: 'interactive', stream })),
  );
  const first = await iterator.next();
  if (!first.done && first.value.item.type === 'start')
    response.setHeader('x-resident-instance', first.value.item.instanceId);
  return { events: startingWith(first, iterator) };
}

async function* startingWith<T>(first: IteratorResult<T>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}

/** Waits for the whole text of every generation. */
export async function collectRun(run: GenerationRun): Promise<FinishedRun> {
  const texts = new Map<number, string>();
  const choices: FinishedChoice[] = [];
  let usage: Usage = { promptTokens: 0, completionTokens: 0 };
  for await (const { index, item } of run.events) {
    if (item.type === 'start') continue;
    const text = (texts.get(index) ?? '') + item.text;
    texts.set(index, text);
    if (item.type === 'finish') {
      choices.push({ index, text, finishReason: item.finishReason });
      usage = addUsage(usage, item.usage);
    }
  }
  return { choices: choices.toSorted((a, b) => a.index - b.index), usage };
}

export function addUsage(a: Usage, b: Usage): Usage {
  return {
    promptTokens: a.promptTokens + b.promptTokens,
    completionTokens: a.completionTokens + b.completionTokens,
  };
}

/** `usage` in OpenAI's names. */
export function formatUsage({ promptTokens, completionTokens }: Usage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}
