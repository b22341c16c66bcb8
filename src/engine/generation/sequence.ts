import type { TokenConstraint } from '../constraints/token-constraint.js';
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
  /** Whoever sent it: clients of one priority share the model evenly. */
  readonly client: string;
  readonly promptTokens: readonly number[];
  readonly maxTokens: number;
  readonly minTokens: number;
  readonly stop: readonly string[];
  /** End-of-sequence tokens and the request's own stop tokens. */
  readonly stopTokens: ReadonlySet<number>;
  /** How many alternatives to tell with each token; undefined: no log-probabilities. */
  readonly logprobs: number | undefined;
  /** What the text is held to; default: nothing. */
  readonly constraint?: TokenConstraint | undefined;
}

/** One generation under way: its tokens, and the chain logits processor -> sampler -> detokenizer -> stop strings. */
export class Sequence {
  readonly id: number;
  readonly priority: Priority;
  readonly client: string;
  readonly promptTokens: readonly number[];
  readonly #options: SequenceOptions;
  readonly #decode: Decode;
  readonly #processor: LogitsProcessor;
  readonly #sampler: Sampler;
  readonly #detokenizer: IncrementalDetokenizer;
  readonly #scanner: StopStringScanner;
  /** Prompt and completion. */
  readonly #tokens: number[];
  #completionTokens = 0;
  /** Tokens of the prompt that didn't have to be run, because the KV cache held them. */
  cachedTokens = 0;

  constructor(options: SequenceOptions, decode: Decode) {
    this.id = options.id;
    this.priority = options.priority;
    this.client = options.client;
    this.promptTokens = options.promptTokens;
    this.#options = options;
    this.#decode = decode;
    this.#processor = new LogitsProcessor(options, options.promptTokens);
    this.#sampler = new Sampler(options);
    this.#detokenizer = new IncrementalDetokenizer(decode, options.promptTokens);
    // a stop string would cut what the constraint is there to complete
    this.#scanner = new StopStringScanner(options.constraint ? [] : options.stop);
    this.#tokens = [...options.promptTokens];
  }

  /** Prompt and completion so far: what the model has to run before it can go on. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Tokens that prompt and completion have at most. */
  get mostTokens(): number {
    return this.promptTokens.length + this.#options.maxTokens;
  }

  /** Whether its next token is the one of the largest logit, and nothing more is told of the logits. */
  get takesBest(): boolean {
    const { temperature, topP, logprobs, constraint, minTokens } = this.#options;
    const greedy = temperature === 0 || topP === 0;
    return (
      greedy && logprobs === undefined && !constraint && minTokens === 0 && !this.#processor.changesLogits
    );
  }

  /**
   * Takes the next token from what the model says behind all tokens so far.
   * @param prediction logits, overwritten; or, if it `takesBest`, that token
   * @returns a `token` event, and with the last one a `finish`
   */
  advance(prediction: Float32Array | number): GenerationEvent[] {
    const { token, logprobs } =
      typeof prediction === 'number' ? { token: prediction, logprobs: undefined } : this.#choose(prediction);
    this.#completionTokens++;
    if (this.#options.stopTokens.has(token)) {
      // its text, if it has one, isn't part of the completion
      return [{ type: 'token', token, text: this.#endText(), logprobs }, this.#finish('stop', '')];
    }
    this.#options.constraint?.accept(token);
    this.#tokens.push(token);
    return this.#settle(token, logprobs);
  }

  #choose(logits: Float32Array): { token: number; logprobs: TokenLogprobs | undefined } {
    const { logprobs: count, minTokens, stopTokens } = this.#options;
    const step = count === undefined ? undefined : new StepLogprobs(logits, count, this.#decode);
    this.#processor.process(logits, this.#completionTokens < minTokens ? stopTokens : []);
    this.#options.constraint?.restrict(logits, stopTokens);
    const token = this.#sampler.sample(logits);
    this.#processor.push(token);
    return { token, logprobs: step?.of(token) };
  }

  #settle(token: number, logprobs: TokenLogprobs | undefined): GenerationEvent[] {
    const { text, stopped } = this.#scan(this.#detokenizer.push(token));
    const event: GenerationEvent = { type: 'token', token, text, logprobs };
    if (stopped) return [event, this.#finish('stop', '')];
    if (this.#options.constraint?.ended) return [event, this.#finish('stop', this.#endText())];
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
    const usage = {
      promptTokens: this.promptTokens.length,
      cachedTokens: this.cachedTokens,
      completionTokens: this.#completionTokens,
    };
    return { type: 'finish', finishReason, text, usage };
  }
}
