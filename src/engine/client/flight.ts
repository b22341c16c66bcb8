import type { EngineCall } from '../encoder-types.js';
import type { CallAnswer } from '../protocol.js';
import type { GenerationEvent, GenerationRequest, Priority } from '../types.js';
import { GenerationStream, type OnSettled } from './generation-stream.js';

/** What is to be run, and how. */
export type FlightPlan = {
  readonly priority: Priority;
  readonly client: string;
} & (
  | {
      readonly request: GenerationRequest;
      /** false: no `token` events, the whole text comes with `finish`. */
      readonly stream: boolean;
    }
  | { readonly call: EngineCall }
);

/** What comes back: the events of a generation, or the one answer to a call. */
export type FlightEvent = GenerationEvent | CallAnswer;

/** A request on its way, through one engine process or, if that one dies before it answered anything, through a second. */
export class Flight<Event extends FlightEvent = GenerationEvent> {
  readonly stream: GenerationStream<Event>;
  /** The consumer has been given something: it can't be begun anew any more. */
  answered = false;
  /** It was in flight when a process died. */
  retried = false;
  /** Tells the engine that has it; set by that engine. */
  onCancel: () => void = () => undefined;
  /** Tells whoever keeps it, queue or session, that nothing more comes of it; set by that keeper. */
  onEnd: () => void = () => undefined;

  /** @param retry whether it may be begun anew at all */
  constructor(
    readonly plan: FlightPlan,
    signal: AbortSignal | undefined,
    onSettled: OnSettled,
    readonly retry = true,
  ) {
    const timeoutMs = timeoutOf(plan);
    this.stream = new GenerationStream<Event>({
      signal,
      timeoutMs,
      onCancel: () => this.onCancel(),
      onSettled,
      onEnd: () => this.onEnd(),
    });
  }

  get canBeRetried(): boolean {
    return this.retry && !this.answered && !this.retried && !this.stream.ended;
  }
}

/** In milliseconds; undefined: it may take as long as it takes. */
function timeoutOf(plan: FlightPlan): number | undefined {
  if (!('call' in plan)) return plan.request.timeoutMs;
  const { request } = plan.call;
  return 'timeoutMs' in request ? request.timeoutMs : undefined;
}
