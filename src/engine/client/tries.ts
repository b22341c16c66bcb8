import { fromWireError, messageOf, type ResidentError } from '../errors.js';
import { pause } from '../pause.js';
import type { ConcreteDevice, ModelSpec } from '../types.js';
import type { EngineLog } from './engine.js';
import type { EngineSession } from './engine-session.js';
import { diedTooOften, draining, nextTry } from './load-messages.js';

/** Waits before the 1st, 2nd, ... restart in a row, in milliseconds. After the last, the engine has failed. */
const RESTART_DELAYS_MS = [0, 250, 1000, 4000, 15_000] as const;
/** An engine that finished a request, or lasted this long, was well: the next restart is the first again. */
const HEALTHY_MS = 60_000;
/** Deaths in a row on a device that isn't the CPU until `device: auto` avoids it. */
const DEATHS_ON_DEVICE = 3;
/** After a load that failed requests don't cause another one for this long, twice as long after the next, up to the longest. */
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

/** Starts an engine again that died after it had been loaded. */
export class RestartLoop {
  readonly #spec: ModelSpec;
  readonly #log: EngineLog;
  readonly #ending: AbortSignal;
  readonly #load: () => Promise<EngineSession>;
  #inRow = 0;

  /** @param ending aborts when the server ends */
  constructor(spec: ModelSpec, log: EngineLog, ending: AbortSignal, load: () => Promise<EngineSession>) {
    this.#spec = spec;
    this.#log = log;
    this.#ending = ending;
    this.#load = load;
  }

  /** @param avoid has `device: auto` choose another device, if that can be */
  died(
    { engine, readyAt, info }: EngineSession,
    avoid: (device: ConcreteDevice, reason: string) => boolean,
  ): void {
    if (engine.finished > 0 || performance.now() - readyAt > HEALTHY_MS) this.#inRow = 0;
    if (this.#inRow + 1 < DEATHS_ON_DEVICE) return;
    const reason = `the engine process died there ${this.#inRow + 1} times in a row`;
    if (avoid(info.device, reason)) this.#inRow = 0;
  }

  /** @throws ResidentError when it died too often, or couldn't be loaded the last time, or the server ends */
  async run(): Promise<EngineSession> {
    let failed: unknown;
    for (;;) {
      const delay = RESTART_DELAYS_MS[this.#inRow++];
      if (delay === undefined) {
        // it may have died once, and something is wrong with the model since
        if (failed !== undefined) throw failed;
        const failure = diedTooOften(this.#spec.name, this.#inRow);
        this.#log.warn(failure.message);
        throw failure;
      }
      await pause(delay, this.#ending);
      if (this.#ending.aborted) throw draining();
      try {
        return await this.#load();
      } catch (error) {
        if (this.#ending.aborted) throw error;
        failed = error;
        this.#log.warn(messageOf(error));
      }
    }
  }

  reset(): void {
    this.#inRow = 0;
  }
}

/** Why the last load failed, and when a request may cause the next one. */
export class LoadRetries {
  #failure: ResidentError | undefined;
  #inRow = 0;
  #notBefore = 0;

  /** Undefined: the last load didn't fail, or another one is under way. */
  get failure(): ResidentError | undefined {
    return this.#failure;
  }

  /** Whether no load succeeded since one failed. */
  get isFailing(): boolean {
    return this.#inRow > 0;
  }

  failed(failure: ResidentError): void {
    const wait = Math.min(FIRST_RETRY_MS * 2 ** this.#inRow++, LONGEST_RETRY_MS);
    this.#notBefore = performance.now() + wait;
    this.#failure = failure;
  }

  began(): void {
    this.#failure = undefined;
  }

  /** It is loaded, or what was is to be forgotten. */
  succeeded(): void {
    this.#failure = undefined;
    this.#inRow = 0;
  }

  /** What a request is told that may not cause a load yet; undefined: it may. */
  refusal(): ResidentError | undefined {
    const waitMs = this.#notBefore - performance.now();
    if (!this.#failure || waitMs <= 0) return undefined;
    const { code, message } = this.#failure;
    return fromWireError({ code, message: `${message} ${nextTry(waitMs)}` });
  }
}
