import type { GenerationRequest, Priority } from '../types.js';
import { GenerationStream } from './generation-stream.js';

/** How a request is to be run. */
export interface FlightPlan {
  readonly request: GenerationRequest;
  readonly priority: Priority;
  readonly client: string;
  /** false: no `token` events, the whole text comes with `finish`. */
  readonly stream: boolean;
}

/** A request on its way, through one engine process or, if that one dies before it answered anything, through a second. */
export class Flight {
  readonly stream: GenerationStream;
  /** The consumer has been given something: it can't be begun anew any more. */
  answered = false;
  /** It was in flight when a process died. */
  retried = false;
  /** Tells the process that has it; set by that process. */
  onCancel: () => void = () => undefined;

  constructor(
    readonly plan: FlightPlan,
    signal: AbortSignal | undefined,
    onSettled: () => void,
  ) {
    const { timeoutMs } = plan.request;
    this.stream = new GenerationStream({ signal, timeoutMs, onCancel: () => this.onCancel(), onSettled });
  }

  get canBeRetried(): boolean {
    return !this.answered && !this.retried && !this.stream.ended;
  }
}
