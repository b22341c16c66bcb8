import { IncrementalDetokenizer, type Decode } from './detokenizer.js';
import { LogitsProcessor, type LogitsProcessorOptions } from './logits-processor.js';
import { StepLogprobs } from './logprobs.js';
import { Sampler, type SamplerOptions } from './sampler.js';
import { StopStringScanner, type StopScan } from './stop-strings.js';
import type { FinishReason, GenerationEvent, Priority, TokenLogprobs } from '../types.js';

/** A request after tokenization and validation: nothing optional is left but the seed and the log-probabilities. */
export interface SequenceOptions extends SamplerOptions, LogitsProcessorOptions {
  readonly id: number;
  readonly priority: Priority;
  readonly promptTokens: readonly number[];
  readonly maxTokens: number;
  readonly minTokens: number;
  readonly stop: readonly string[];
  /** End-of-sequence tokens and the request's own stop tokens. */
  readonly stopTokens: ReadonlySet<number>;
  /** How many alternatives to tell with each token; undefined: no log-probabilities. */
  readonly logprobs: number | undefined;
}

/** One generation under way: its tokens, its cache, and the chain logits processor -> sampler -> detokenizer -> stop strings. */
export class Sequence<Cache = unknown> {
  readonly id: number;
  readonly priority: Priority;
  readonly promptTokens: readonly number[];
  readonly cache: Cache;
  readonly #options: SequenceOptions;
  readonly #decode: Decode;
  readonly #processor: LogitsProcessor;
  readonly #sampler: Sampler;
  readonly #detokenizer: IncrementalDetokenizer;
  readonly #scanner: StopStringScanner;
  /** Tokens whose keys and values aren't in the cache yet. */
  #pending: readonly number[];
  #completionTokens = 0;

  constructor(options: SequenceOptions, cache: Cache, decode: Decode) {
    this.id = options.id;
    this.priority = options.priority;
    this.promptTokens = options.promptTokens;
    this.cache = cache;
    this.#options = options;
    this.#decode = decode;
    this.#processor = new LogitsProcessor(options, options.promptTokens);
    this.#sampler = new Sampler(options);
    this.#detokenizer = new IncrementalDetokenizer(decode, options.promptTokens);
    this.#scanner = new StopStringScanner(options.stop);
    this.#pending = options.promptTokens;
  }

  /** The tokens of the next forward pass, at most `limit`. */
  nextInput(limit: number): readonly number[] {
    return this.#pending.length <= limit ? this.#pending : this.#pending.slice(0, limit);
  }

  /**
   * Takes the result of the pass over `nextInput()`.
   * @param count how many tokens the pass ran
   * @param logits overwritten
   * @returns nothing while the prompt isn't through; then a `token` event, and with the last one a `finish`
   */
  advance(count: number, logits: Float32Array): GenerationEvent[] {
    this.#pending = this.#pending.slice(count);
    if (this.#pending.length > 0) return [];
    const { token, logprobs } = this.#choose(logits);
    this.#completionTokens++;
    if (this.#options.stopTokens.has(token)) {
      // its text, if it has one, isn't part of the completion
      return [{ type: 'token', token, text: this.#endText(), logprobs }, this.#finish('stop', '')];
    }
    this.#pending = [token];
    return this.#settle(token, logprobs);
  }

  #choose(logits: Float32Array): { token: number; logprobs: TokenLogprobs | undefined } {
    const { logprobs: count, minTokens, stopTokens } = this.#options;
    const step = count === undefined ? undefined : new StepLogprobs(logits, count, this.#decode);
    this.#processor.process(logits, this.#completionTokens < minTokens ? stopTokens : []);
    const token = this.#sampler.sample(logits);
    this.#processor.push(token);
    return { token, logprobs: step?.of(token) };
  }

  #settle(token: number, logprobs: TokenLogprobs | undefined): GenerationEvent[] {
    const { text, stopped } = this.#scan(this.#detokenizer.push(token));
    const event: GenerationEvent = { type: 'token', token, text, logprobs };
    if (stopped) return [event, this.#finish('stop', '')];
    if (this.#completionTokens < this.#options.maxTokens) return [event];
    const last = this.#scan(this.#detokenizer.flush());
    const held = last.stopped ? '' : this.#scanner.flush();
    return [event, this.#finish(last.stopped ? 'stop' : 'length', last.text + held)];
  }

  /** Stop strings count once the text has its least length. */
  #scan(piece: string): StopScan {
    if (this.#completionTokens <= this.#options.minTokens) return { text: piece, stopped: false };
    return this.#scanner.push(piece);
  }

  #endText(): string {
    const last = this.#scanner.push(this.#detokenizer.flush());
    return last.stopped ? last.text : last.text + this.#scanner.flush();
  }

  #finish(finishReason: FinishReason, text: string): GenerationEvent {
    const usage = { promptTokens: this.promptTokens.length, completionTokens: this.#completionTokens };
    return { type: 'finish', finishReason, text, usage };
  }
}
