import { asResidentError, messageOf } from '../errors.js';
import { DEVICE_ORDER } from '../placement/devices.js';
import { DTYPE_PREFERENCE } from '../placement/dtype-preference.js';
import type { LoadedModelInfo } from '../types.js';
import type { EngineLog } from './engine.js';
import type { EngineLoader } from './engine-loader.js';
import * as say from './load-messages.js';
import type { RequestQueue } from './request-queue.js';
import type { Residence } from './residence.js';
import { Turns } from './turns.js';

export interface OperationsOptions {
  readonly name: string;
  readonly log: EngineLog;
  readonly loader: EngineLoader;
  readonly queue: RequestQueue;
  readonly residence: Residence;
}

/** What an operator orders, or keep-alive: one after the other. */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #turns = new Turns();
  #reloading: Promise<LoadedModelInfo> | undefined;

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  /**
   * Ends the engine when its requests have ended, at most so many milliseconds from now: what is left then fails. Requests that come
   * meanwhile wait, and load the model again.
   * @throws UnavailableError when the server ends
   */
  unload(drainMs: number): Promise<void> {
    const { residence } = this.#options;
    return this.#turns.take(async () => {
      await residence.settled();
      if (residence.isEnding) throw say.draining();
      if (residence.state === 'ready') return this.#unload(drainMs);
      residence.forgetFailure();
    });
  }

  /** Unloads a model that nobody needs. */
  unloadUnused(): void {
    const { residence, log } = this.#options;
    this.#turns
      .take(async () => {
        if (residence.isUnused) await this.#unload(0);
      })
      .catch((error: unknown) => log.debug(messageOf(error))); // the server ends
  }

  /**
   * Loads the model anew beside the present engine, and has requests go there once it is loaded. If there is no room for two, the
   * present one is ended first, as `unload()` does it. Calls while one is under way share it.
   * @throws ModelLoadError; the present engine stays then, unless there was no room for two
   */
  reload(drainMs: number): Promise<LoadedModelInfo> {
    const { residence, loader } = this.#options;
    this.#reloading ??= this.#turns
      .take(async () => {
        await residence.settled();
        loader.forgive();
        return residence.state === 'ready' ? this.#swap(drainMs) : residence.load();
      })
      .finally(() => (this.#reloading = undefined));
    return this.#reloading;
  }

  async #unload(drainMs: number): Promise<void> {
    const { name, log, queue, residence } = this.#options;
    await residence.unload(drainMs);
    if (residence.isEnding) throw say.draining();
    log.info(`'${name}' is unloaded; the next request loads it again`);
    if (queue.waiting > 0) residence.loadForQueue();
  }

  async #swap(drainMs: number): Promise<LoadedModelInfo> {
    const { name, log, residence } = this.#options;
    try {
      return await residence.replace(isAsGood);
    } catch (error) {
      if (residence.isEnding || asResidentError(error).code !== 'insufficient_memory') throw error;
    }
    log.info(`there is no room for a second '${name}' beside the first, which ends first`);
    // it may have died meanwhile, and is being started again
    if (residence.state === 'ready') await residence.unload(drainMs);
    return residence.load();
  }
}

/** Of the tokens that the KV cache of the first engine holds: the second one's may hold so many less. */
const KV_CACHE_TOLERANCE = 0.1;

/**
 * Beside an engine that takes up memory the second may have settled for less: with `auto` for a device or dtype that it takes later, and
 * for a smaller KV cache at any rate. Whether that is so can't be seen, so whatever is less counts.
 */
function isAsGood(present: LoadedModelInfo, second: LoadedModelInfo): boolean {
  const { device } = second;
  if (device !== present.device) return DEVICE_ORDER.indexOf(device) < DEVICE_ORDER.indexOf(present.device);
  const order = DTYPE_PREFERENCE[device];
  const least = (present.kvCacheTokens ?? 0) * (1 - KV_CACHE_TOLERANCE);
  return order.indexOf(second.dtype) <= order.indexOf(present.dtype) && (second.kvCacheTokens ?? 0) >= least;
}
