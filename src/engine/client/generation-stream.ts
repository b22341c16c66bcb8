import type { ResidentError } from '../errors.js';
import { CancelledError, DeadlineError } from '../errors.js';
import type { CallAnswer } from '../protocol.js';
import type { GenerationEvent } from '../types.js';

interface Pending<Event> {
  resolve(result: IteratorResult<Event>): void;
  reject(error: Error): void;
}

/** What a request that was answered whole ended with. */
export type Outcome = Extract<GenerationEvent, { type: 'finish' }> | CallAnswer;

/** Told once, when the consumer has seen the end or gave up. `outcome` is missing if it failed or was given up before its end. */
export type OnSettled = (outcome?: Outcome) => void;

interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly onCancel: () => void;
  readonly onSettled: OnSettled;
  readonly onEnd?: (() => void) | undefined;
}

/**
 * The events of one generation, or the one answer to a call, on the server's side. Unlike a generator, `return()` and an abort take effect at once,
 * also while a `next()` waits: the engine hears of it between two steps.
 *
 * It buffers what isn't read yet; a generation's events are bounded by its `maxTokens`.
 */
export class GenerationStream<
  Event extends GenerationEvent | CallAnswer = GenerationEvent,
> implements AsyncIterableIterator<Event> {
  readonly #buffer: Event[] = [];
  readonly #waiting: Pending<Event>[] = [];
  readonly #onCancel: () => void;
  readonly #onSettled: OnSettled;
  readonly #onEnd: (() => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  #ended = false;
  #settled = false;
  #error: ResidentError | undefined;
  #outcome: Outcome | undefined;
  readonly #deadline: NodeJS.Timeout | undefined;

  /**
   * @param onCancel the consumer gave up before the end: tell the engine
   * @param onSettled the consumer has seen the end, or gave up
   * @param onEnd no more will come of the engine; the consumer may not have read all of it
   * @param timeoutMs the generation fails if its end hasn't come so many milliseconds from now
   */
  constructor(options: StreamOptions) {
    this.#onCancel = options.onCancel;
    this.#onSettled = options.onSettled;
    this.#onEnd = options.onEnd;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
    if (this.#signal?.aborted) this.#abort();
    const { timeoutMs } = options;
    if (timeoutMs !== undefined && !this.#ended)
      this.#deadline = setTimeout(() => this.#cancelWith(new DeadlineError()), timeoutMs);
  }

  /** No more events will come: it is finished, failed or given up. */
  get ended(): boolean {
    return this.#ended;
  }

  /** A generation that failed before it began. */
  static failed(error: ResidentError): GenerationStream {
    const stream = new GenerationStream({
      onCancel: () => undefined,
      onSettled: () => undefined,
    });
    stream.fail(error);
    return stream;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Event>> {
    const event = this.#buffer.shift();
    if (event !== undefined) {
      this.#settleWhenRead();
      return Promise.resolve({ done: false, value: event });
    }
    if (this.#error) {
      const error = this.#error;
      this.#error = undefined; // thrown once, then done
      this.#settleWhenRead();
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<Event>> {
    this.#giveUp();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** From the engine: the next event. */
  push(event: Event): void {
    if (this.#ended) return;
    if (event.type === 'finish' || event.type === 'result') {
      this.#outcome = event;
      this.#end();
    }
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve({ done: false, value: event });
    else this.#buffer.push(event);
    if (this.#ended) this.#releaseWaiting();
    this.#settleWhenRead();
  }

  /** From the engine: no more events, the generation failed. */
  fail(error: ResidentError): void {
    if (this.#ended) return;
    this.#end();
    const waiting = this.#waiting.shift();
    if (waiting) waiting.reject(error);
    else this.#error = error;
    this.#releaseWaiting();
    this.#settleWhenRead();
  }

  #abort = (): void => {
    if (this.#ended) return;
    this.#buffer.length = 0;
    this.#cancelWith(new CancelledError());
    this.#settle(); // whoever aborts may never look again
  };

  #cancelWith(error: ResidentError): void {
    if (this.#ended) return;
    this.#onCancel();
    this.fail(error);
  }

  #giveUp(): void {
    this.#buffer.length = 0;
    this.#error = undefined;
    if (!this.#ended) {
      this.#end();
      this.#onCancel();
    }
    this.#releaseWaiting();
    this.#settleWhenRead();
  }

  #end(): void {
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.#abort);
    clearTimeout(this.#deadline);
    this.#onEnd?.();
  }

  #releaseWaiting(): void {
    for (const waiting of this.#waiting.splice(0)) waiting.resolve({ done: true, value: undefined });
  }

  #settleWhenRead(): void {
    if (this.#ended && this.#buffer.length === 0 && !this.#error) this.#settle();
  }

  #settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#onSettled(this.#outcome);
  }
}
