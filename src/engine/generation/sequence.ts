import { IncrementalDetokenizer, type Decode } from './detokenizer.js';
import { Sampler } from './sampler.js';
import { StopStringScanner } from './stop-strings.js';
import type { FinishReason, GenerationEvent, Priority } from '../types.js';

/** A request after tokenization and validation: nothing optional is left. */
export interface SequenceOptions {
  readonly id: number;
  readonly priority: Priority;
  readonly promptTokens: readonly number[];
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number | undefined;
  readonly stop: readonly string[];
  readonly endOfSequence: ReadonlySet<number>;
}

/** One generation under way: its tokens, its cache, and the chain sampler -> detokenizer -> stop strings. */
export class Sequence<Cache = unknown> {
  readonly id: number;
  readonly priority: Priority;
  readonly promptTokens: readonly number[];
  readonly cache: Cache;
  readonly #options: SequenceOptions;
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
   * @returns nothing while the prompt isn't through; then a `token` event, and with the last one a `finish`
   */
  advance(count: number, logits: Float32Array): GenerationEvent[] {
    this.#pending = this.#pending.slice(count);
    if (this.#pending.length > 0) return [];
    const token = this.#sampler.sample(logits);
    this.#completionTokens++;
    if (this.#options.endOfSequence.has(token)) {
      // its text, if it has one, isn't part of the completion
      return [{ type: 'token', token, text: this.#endText() }, this.#finish('stop', '')];
    }
    this.#pending = [token];
    return this.#settle(token);
  }

  #settle(token: number): GenerationEvent[] {
    const { text, stopped } = this.#scanner.push(this.#detokenizer.push(token));
    const event: GenerationEvent = { type: 'token', token, text };
    if (stopped) return [event, this.#finish('stop', '')];
    if (this.#completionTokens < this.#options.maxTokens) return [event];
    const last = this.#scanner.push(this.#detokenizer.flush());
    const held = last.stopped ? '' : this.#scanner.flush();
    return [event, this.#finish(last.stopped ? 'stop' : 'length', last.text + held)];
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
