import type { FinishReason, GenerationEvent, TokenLogprobs, ToolFormat, Usage } from '../engine/types.js';
import type { CallOptions, ModelProvider, ModelRequest } from '../model/model.provider.js';
import type { AnswerFacts } from '../transport/answer-headers.js';
import { mergeIndexed, type Indexed } from './merge.js';

/** The generations of one request, under way. */
export interface GenerationRun {
  /** Of the first of them. */
  readonly facts?: AnswerFacts | undefined;
  /** The events of all of them as they come, `index` being that of the choice. */
  readonly events: AsyncIterable<Indexed<GenerationEvent>>;
  /** Choices per prompt: the first `n` belong to the first prompt. */
  readonly n: number;
}

export interface FinishedChoice {
  readonly index: number;
  readonly text: string;
  readonly finishReason: FinishReason;
  /** Of every token, if they were asked for. */
  readonly logprobs: readonly TokenLogprobs[];
  /** What calls in the text are to be read with, if the request has tools. */
  readonly toolFormat: ToolFormat | undefined;
}

export interface FinishedRun {
  readonly choices: readonly FinishedChoice[];
  readonly usage: Usage;
}

export interface RunOptions extends CallOptions {
  /** false: the choices come whole. */
  readonly stream: boolean;
  readonly n: number;
}

/**
 * Starts one generation per choice and waits for the first sign of the engine, so that whatever is wrong by then is an
 * HTTP error and not an event in a stream. Aborting the signal ends them all.
 * @throws ResidentError
 */
export async function startRun(
  models: ModelProvider,
  requests: readonly ModelRequest[],
  { n, ...options }: RunOptions,
): Promise<GenerationRun> {
  const iterator = mergeIndexed(requests.map((request) => models.generate(request, options)));
  const first = await iterator.next();
  const facts = !first.done && first.value.item.type === 'start' ? first.value.item : undefined;
  return { events: startingWith(first, iterator), n, facts };
}

async function* startingWith<T>(first: IteratorResult<T>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}

/** Waits for the whole text of every choice. */
export async function collectRun(run: GenerationRun): Promise<FinishedRun> {
  const texts = new Map<number, string>();
  const formats = new Map<number, ToolFormat | undefined>();
  const choices: FinishedChoice[] = [];
  const usage = new RunUsage(run.n);
  for await (const { index, item } of run.events) {
    const text = (texts.get(index) ?? '') + textOf(item);
    texts.set(index, text);
    if (item.type === 'start') formats.set(index, item.toolFormat);
    if (item.type === 'finish') {
      const { finishReason, logprobs = [] } = item;
      choices.push({ index, text, finishReason, logprobs, toolFormat: formats.get(index) });
      usage.add(index, item.usage);
    }
  }
  return { choices: choices.toSorted((a, b) => a.index - b.index), usage: usage.total };
}

function textOf(event: GenerationEvent): string {
  return event.type === 'start' ? (event.promptText ?? '') : event.text;
}

/** The usage of a request: a prompt counts once, however many choices it has. */
export class RunUsage {
  #promptTokens = 0;
  #cachedTokens = 0;
  #completionTokens = 0;

  constructor(private readonly n: number) {}

  add(index: number, { promptTokens, cachedTokens, completionTokens }: Usage): void {
    if (index % this.n === 0) {
      this.#promptTokens += promptTokens;
      this.#cachedTokens += cachedTokens;
    }
    this.#completionTokens += completionTokens;
  }

  get total(): Usage {
    return {
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      completionTokens: this.#completionTokens,
    };
  }
}

/** `usage` in OpenAI's names. */
export function formatUsage({ promptTokens, cachedTokens, completionTokens }: Usage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}
