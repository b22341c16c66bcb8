import type { LoadedModelInfo } from '../types.js';

/** What was counted since the server started. */
export interface MeteredUsage {
  /** Times that it was loaded. */
  readonly loads: number;
  /** Of all loads together, from the order to load until the model could answer, in milliseconds. */
  readonly loadMs: number;
  /** Of the latest load; missing before the first. */
  readonly lastLoadMs?: number | undefined;
  /** CPU time of all loads together, in milliseconds; of a load whose engine doesn't tell it, as if one core was busy all the while. */
  readonly loadCpuMs: number;
  /** Engines that died and were to be started again. */
  readonly restarts: number;
  /** Requests of any kind and priority that were answered whole. */
  readonly requests: number;
  /** Since when the present engine holds it, ISO 8601; missing while it isn't loaded. */
  readonly residentSince?: string | undefined;
  /** How long it has been loaded altogether, in seconds. */
  readonly residentSeconds: number;
  /** When a request came last, ISO 8601; missing before the first. */
  readonly lastRequestAt?: string | undefined;
}

/** Counts what one model cost and did. */
export class UsageMeter {
  #loads = 0;
  #loadMs = 0;
  #lastLoadMs: number | undefined;
  #loadCpuMs = 0;
  #restarts = 0;
  #requests = 0;
  #since: Date | undefined;
  /** On the clock that nobody sets. */
  #residentFrom: number | undefined;
  #residentMs = 0;
  #requestAt: number | undefined;

  get loads(): number {
    return this.#loads;
  }

  /** From now on this load answers, maybe in the place of another one. */
  loaded({ loadMs, loadCpuMs = loadMs }: LoadedModelInfo): void {
    this.#loads++;
    this.#loadMs += loadMs;
    this.#loadCpuMs += loadCpuMs;
    this.#lastLoadMs = loadMs;
    this.#since = new Date();
    this.#residentFrom ??= performance.now();
  }

  /** It isn't loaded any more. */
  ended(): void {
    this.#residentMs += this.#presentMs();
    this.#residentFrom = undefined;
    this.#since = undefined;
  }

  /** Its engine died, and is to be started again. */
  restarted(): void {
    this.#restarts++;
  }

  asked(): void {
    this.#requestAt = Date.now();
  }

  /** A request was answered whole. */
  served(): void {
    this.#requests++;
  }

  read(): MeteredUsage {
    return {
      loads: this.#loads,
      loadMs: this.#loadMs,
      lastLoadMs: this.#lastLoadMs,
      loadCpuMs: this.#loadCpuMs,
      restarts: this.#restarts,
      requests: this.#requests,
      residentSince: this.#since?.toISOString(),
      residentSeconds: (this.#residentMs + this.#presentMs()) / 1000,
      lastRequestAt: this.#requestAt === undefined ? undefined : new Date(this.#requestAt).toISOString(),
    };
  }

  #presentMs(): number {
    return this.#residentFrom === undefined ? 0 : performance.now() - this.#residentFrom;
  }
}
