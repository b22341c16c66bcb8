import { GenerationError, messageOf, type ResidentError } from '../errors.js';
import type { GenerationEvent } from '../types.js';
import type { CausalModel } from './causal-model.js';
import { planStep } from './scheduler.js';
import type { Sequence } from './sequence.js';

/** Where a sequence's events go. One of `finish` and `failed` comes last, unless the sequence was cancelled. */
export interface SequenceSink {
  event(event: GenerationEvent): void;
  failed(error: ResidentError): void;
}

interface Entry<Cache> {
  readonly sequence: Sequence<Cache>;
  readonly sink: SequenceSink;
  started: boolean;
}

/** Longest piece of a prompt that one step runs: between steps requests are cancelled and others take their turn. */
const PREFILL_CHUNK = 512;

/**
 * Executes plans: as long as there is work, asks the scheduler what runs next, runs one forward pass, and hands out the
 * events. It sleeps without timers; `add` wakes it.
 */
export class StepLoop<Cache = unknown> {
  readonly #model: CausalModel<Cache>;
  readonly #instanceId: string;
  readonly #entries = new Map<number, Entry<Cache>>();
  #running = false;

  constructor(model: CausalModel<Cache>, instanceId: string) {
    this.#model = model;
    this.#instanceId = instanceId;
  }

  add(sequence: Sequence<Cache>, sink: SequenceSink): void {
    this.#entries.set(sequence.id, { sequence, sink, started: false });
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    }
  }

  /** Takes the sequence out before the next step. Nothing is reported for it any more. */
  cancel(id: number): void {
    this.#entries.delete(id);
  }

  async #run(): Promise<void> {
    for (;;) {
      const plan = planStep(this.#sequences());
      switch (plan.kind) {
        case 'idle':
          this.#running = false;
          return;
        case 'step':
          await this.#step(plan.sequence.id);
          break;
        default:
          plan satisfies never;
      }
    }
  }

  *#sequences(): Iterable<Sequence<Cache>> {
    for (const { sequence } of this.#entries.values()) yield sequence;
  }

  async #step(id: number): Promise<void> {
    const entry = this.#entries.get(id) as Entry<Cache>;
    const { sequence, sink } = entry;
    try {
      const input = sequence.nextInput(PREFILL_CHUNK);
      const logits = await this.#model.forward(sequence.cache, input);
      if (!this.#entries.has(id)) return; // cancelled while the step ran
      for (const event of sequence.advance(input.length, logits)) {
        // with the first token, not before: what has answered nothing can be begun anew elsewhere
        if (!entry.started) {
          entry.started = true;
          const promptTokens = sequence.promptTokens.length;
          sink.event({ type: 'start', instanceId: this.#instanceId, promptTokens });
        }
        if (event.type === 'finish') this.#entries.delete(id);
        sink.event(event);
      }
    } catch (error) {
      if (!this.#entries.delete(id)) return; // cancelled while the step ran
      sink.failed(
        new GenerationError(`The model failed on this request: ${messageOf(error)}`, { cause: error }),
      );
    }
  }
}
