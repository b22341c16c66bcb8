import type { CausalModel, SequenceCache } from '../models/causal-model.js';
import type { Scheduled } from '../scheduling/scheduled.js';
import type { GenerationTiming, Priority } from '../types.js';
import type { Sequence } from './sequence.js';
import type { SequenceSink } from './step-loop.js';

/** A sequence in the step loop, with its part of the KV cache, as the scheduler sees it. */
export class Entry<Cache extends SequenceCache> implements Scheduled {
  readonly sequence: Sequence;
  readonly sink: SequenceSink;
  readonly #model: CausalModel<Cache>;
  cache: Cache | undefined;
  running = false;
  /** It has given out its first event. */
  started = false;
  #admitted = false;
  readonly #arrivedAt = performance.now();
  #firstPassAt: number | undefined;

  constructor(sequence: Sequence, sink: SequenceSink, model: CausalModel<Cache>) {
    this.sequence = sequence;
    this.sink = sink;
    this.#model = model;
  }

  get id(): number {
    return this.sequence.id;
  }

  get priority(): Priority {
    return this.sequence.priority;
  }

  get client(): string {
    return this.sequence.client;
  }

  get tokens(): number {
    return this.sequence.tokens.length;
  }

  get cached(): number {
    return this.cache?.length ?? 0;
  }

  get blocks(): number {
    return this.cache ? this.#model.heldBlocks(this.cache) : 0;
  }

  /** Tokens that the model hasn't run. */
  get pending(): number {
    return this.tokens - this.cached;
  }

  /** Gets a row, and a cache if it has none. */
  start(): void {
    this.running = true;
    if (this.cache) return;
    this.cache = this.#model.open(this.sequence.tokens);
    // not of what it ran itself before it lost its cache
    if (!this.#admitted) this.sequence.cachedTokens = this.cache.length;
    this.#admitted = true;
  }

  /** A pass that holds some of its tokens begins. */
  notePass(): void {
    this.#firstPassAt ??= performance.now();
  }

  /** Up to now, which is when its first token came. */
  get timing(): GenerationTiming {
    const firstPassAt = this.#firstPassAt ?? this.#arrivedAt;
    return { queueMs: firstPassAt - this.#arrivedAt, prefillMs: performance.now() - firstPassAt };
  }

  /** The next tokens to run. */
  next(count: number): readonly number[] {
    return this.sequence.tokens.slice(this.cached, this.cached + count);
  }
}
