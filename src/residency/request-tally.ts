import type { FinishReason } from '../engine/types.js';
import type { ServedRequest } from '../model/served-request.js';
import { RequestRate } from './request-rate.js';

/** What was answered whole with one model. */
export class RequestTally {
  readonly finished: Record<FinishReason, number> = { stop: 0, length: 0 };
  readonly #rate: RequestRate;
  #promptTokens = 0;
  #completionTokens = 0;

  /** @param start from when on it counts, in milliseconds of the clock of `record` */
  constructor(start: number) {
    this.#rate = new RequestRate(start);
  }

  get promptTokens(): number {
    return this.#promptTokens;
  }

  get completionTokens(): number {
    return this.#completionTokens;
  }

  record({ finishReason, promptTokens, completionTokens }: ServedRequest, now: number): void {
    this.finished[finishReason]++;
    this.#promptTokens += promptTokens;
    this.#completionTokens += completionTokens;
    this.#rate.record(now);
  }

  requestsPerMinute(now: number): number {
    return this.#rate.perMinute(now);
  }
}
