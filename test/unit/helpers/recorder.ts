import type { ResidentError } from '../../../src/engine/errors.js';
import type { SequenceSink } from '../../../src/engine/generation/step-loop.js';
import type { GenerationEvent, GenerationTiming } from '../../../src/engine/types.js';

/** A sink that keeps everything and says when the generation has ended. */
export class Recorder implements SequenceSink {
  readonly events: GenerationEvent[] = [];
  readonly failures: ResidentError[] = [];
  readonly timings: GenerationTiming[] = [];
  readonly ended: Promise<void>;
  readonly #onEvent: (event: GenerationEvent) => void;
  #end: () => void = () => undefined;

  constructor(onEvent: (event: GenerationEvent) => void = () => undefined) {
    this.#onEvent = onEvent;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  event(event: GenerationEvent): void {
    if (event.type === 'start') {
      // another one each time
      const { timing, ...start } = event;
      if (timing) this.timings.push(timing);
      this.events.push(start);
    } else {
      this.events.push(event);
    }
    this.#onEvent(event);
    if (event.type === 'finish') this.#end();
  }

  failed(error: ResidentError): void {
    this.failures.push(error);
    this.#end();
  }

  get types(): string[] {
    return this.events.map(({ type }) => type);
  }

  get tokens(): number[] {
    return this.events.flatMap((event) => (event.type === 'token' ? [event.token] : []));
  }

  get text(): string {
    return this.events.map((event) => (event.type === 'start' ? '' : event.text)).join('');
  }

  get finish(): Extract<GenerationEvent, { type: 'finish' }> {
    const last = this.events.at(-1);
    if (last?.type !== 'finish') throw new Error('the generation did not finish');
    return last;
  }
}

/** Lets everything that is already due run: promises, then immediates. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
