import { setMaxListeners } from 'node:events';
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { CancelledError, ResidentError, messageOf } from '../errors.js';
import type { Prompt } from '../types.js';
import { ChatTemplate } from './chat-template.js';
import { EncoderLane } from './encoder-lane.js';
import type { EncoderThreadOptions } from './encoder-thread.js';
import { unpackTokens } from './packed-tokens.js';
import { tokenArray } from './prompt-tokenizer.js';
import type { EncodingJob } from './protocol.js';
import { definitionOf, shareDefinition } from './tokenizer-definition.js';

/** A prompt that has to be encoded. */
export type EncodablePrompt = Exclude<Prompt, { kind: 'tokens' }>;

export type PromptEncoderOptions = Pick<EncoderThreadOptions, 'entry' | 'heapLimitMb'>;

/**
 * Up to so many characters (UTF-16 code units) a prompt is encoded at once, on the calling thread: 0.3 to 1.2 ms with
 * tokenizers of 4,000 to 262,000 tokens, less than a step of the model, behind which the answer of a thread would wait.
 */
const INLINE_LENGTH = 512;
/**
 * Prompts of more characters than this go to a thread that shorter ones don't wait for: a million characters take 0.7 to
 * 16 s, depending on the tokenizer, this many 20 to 150 ms.
 */
const SHORT_LENGTH = 32_768;
/** Many texts go to the threads in portions of so many characters, so that they can be cancelled and others come in between. */
const PORTION_LENGTH = 8192;
/**
 * The thread for long prompts ends after so many milliseconds without work: its heap grows to hundreds of megabytes with
 * a text of a million characters, and starting another is quick in comparison to such a text.
 */
const LONG_IDLE_MS = 30_000;

/**
 * Encodes prompts without holding up the thread it is called on: all but the smallest are encoded in threads of their own.
 * The tokens are those of the tokenizer it is made of.
 */
export class PromptEncoder {
  readonly #tokenizer: PreTrainedTokenizer;
  readonly #chatTemplate: ChatTemplate;
  readonly #short: EncoderLane;
  readonly #long: EncoderLane;

  /** @param tokenizer stays as it is; what is changed of it later is not seen */
  constructor(tokenizer: PreTrainedTokenizer, options: PromptEncoderOptions = {}) {
    const definition = definitionOf(tokenizer);
    const threads = { ...options, definition: shareDefinition(definition) };
    this.#tokenizer = tokenizer;
    this.#chatTemplate = new ChatTemplate(definition);
    this.#short = new EncoderLane(threads);
    this.#long = new EncoderLane({ ...threads, idleMs: LONG_IDLE_MS });
  }

  /**
   * Starts the thread that prompts of common lengths are encoded in; otherwise the first of them does. Resolves when it is
   * ready, which takes 0.1 to 1.5 s.
   * @throws ResidentError if the thread can't build the tokenizer
   */
  warmUp(): Promise<void> {
    const ready = this.#short.warmUp();
    // whoever waits for it does so later, or not at all: then the first prompt tells
    ready.catch(() => undefined);
    return ready;
  }

  /**
   * The token ids of a prompt: a text with the special tokens that the model wants around it, messages as the model's
   * chat template renders them, up to where the answer begins.
   * @throws CancelledError when the signal is aborted
   * @throws InvalidRequestError if the model has no chat template or the template refuses the messages
   * @throws ResidentError `internal_error` if it can't be encoded or the thread died
   */
  async encode(prompt: EncodablePrompt, signal?: AbortSignal): Promise<Int32Array<ArrayBuffer>> {
    if (signal?.aborted) throw new CancelledError();
    const job = this.#jobOf(prompt);
    const length = lengthOf(job);
    if (job.kind === 'text' && length <= INLINE_LENGTH) return this.#encodeInline(job);
    return this.#laneOf(length).encode(job, signal);
  }

  /**
   * The token ids of a text, with or without the special tokens that the model wants around it.
   * @throws CancelledError when the signal is aborted
   * @throws ResidentError `internal_error` if it can't be encoded or the thread died
   */
  async encodeText(text: string, special: boolean, signal: AbortSignal): Promise<Int32Array> {
    if (signal.aborted) throw new CancelledError();
    const job = { kind: 'text', text, special } as const;
    if (text.length <= INLINE_LENGTH) return this.#encodeInline(job);
    return this.#laneOf(text.length).encode(job, signal);
  }

  /**
   * The token ids of each text, in order, without special tokens.
   * @throws CancelledError when the signal is aborted
   * @throws ResidentError `internal_error` if one can't be encoded or the thread died
   */
  async encodeTexts(texts: readonly string[], signal: AbortSignal): Promise<Int32Array[]> {
    if (signal.aborted) throw new CancelledError();
    if (sumOf(texts) <= INLINE_LENGTH)
      return texts.map((text) => this.#encodeInline({ kind: 'text', text, special: false }));
    const aborter = new AbortController();
    // each portion listens
    setMaxListeners(0, aborter.signal);
    const onAbort = (): void => aborter.abort();
    signal.addEventListener('abort', onAbort);
    try {
      const portions = inPortions(texts).map((some) => this.#encodePortion(some, aborter.signal));
      return (await Promise.all(portions)).flat();
    } finally {
      // if one failed, the others are for nothing
      aborter.abort();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the threads. What they were working on fails, and so does what comes after. */
  async close(): Promise<void> {
    await Promise.all([this.#short.close(), this.#long.close()]);
  }

  async #encodePortion(texts: readonly string[], signal: AbortSignal): Promise<Int32Array[]> {
    const packed = await this.#laneOf(sumOf(texts)).encode({ kind: 'texts', texts }, signal);
    return unpackTokens(packed, texts.length);
  }

  #laneOf(length: number): EncoderLane {
    return length <= SHORT_LENGTH ? this.#short : this.#long;
  }

  /** A short conversation is rendered here; what the template makes of it may still be long. */
  #jobOf(prompt: EncodablePrompt): EncodingJob {
    if (prompt.kind === 'text') return { kind: 'text', text: prompt.text, special: true };
    if (lengthOf(prompt) > INLINE_LENGTH) return prompt;
    return { kind: 'text', text: this.#chatTemplate.render(prompt.messages, prompt.tools), special: false };
  }

  #encodeInline({ text, special }: Extract<EncodingJob, { kind: 'text' }>): Int32Array<ArrayBuffer> {
    try {
      return tokenArray(this.#tokenizer.encode(text, { add_special_tokens: special }));
    } catch (error) {
      throw new ResidentError('internal_error', messageOf(error), { cause: error });
    }
  }
}

/** Texts as jobs of a size that may be in the way of others; a longer text is one by itself. */
function inPortions(texts: readonly string[]): string[][] {
  const portions: string[][] = [];
  let length = Infinity;
  for (const text of texts) {
    length += text.length;
    if (length > PORTION_LENGTH) {
      portions.push([]);
      length = text.length;
    }
    portions.at(-1)?.push(text);
  }
  return portions;
}

function sumOf(texts: readonly string[]): number {
  return texts.reduce((sum, { length }) => sum + length, 0);
}

/** In UTF-16 code units. */
function lengthOf(prompt: EncodingJob | EncodablePrompt): number {
  if (prompt.kind === 'text') return prompt.text.length;
  if (prompt.kind === 'texts') return sumOf(prompt.texts);
  const { messages, tools } = prompt;
  const plain = messages.reduce((sum, { role, content }) => sum + role.length + content.length, 0);
  const calls = messages.flatMap((message) => message.tool_calls ?? []);
  return plain + JSON.stringify([tools, calls]).length;
}
