import type { ConcreteDevice, FailedDevice, HubOptions, LoadProgress, ModelSpec } from '../types.js';
import type { CreateEngine, Engine, EngineLog } from './engine.js';
import { EngineSession } from './engine-session.js';
import { conditionLine, loadError } from './load-messages.js';

export interface LoaderOptions {
  readonly spec: ModelSpec;
  readonly hub: HubOptions;
  readonly log: EngineLog;
  readonly create: CreateEngine;
  /** What the load under way does; undefined: there is none any more. */
  readonly onProgress: (progress: LoadProgress | undefined) => void;
  /** A request of a session came or ended. */
  readonly onUse: () => void;
}

/** How far one try came. */
interface Attempt {
  /** The device on which it was about to load the model, or to warm it up. */
  device?: ConcreteDevice | undefined;
  /** How its engine ended, if it has. */
  how?: string;
}

/**
 * Makes engines that hold the model. With `device: auto` the engine that dies of a device is the probe: the next one is told to
 * avoid it.
 */
export class EngineLoader {
  readonly #options: LoaderOptions;
  readonly #loading = new Set<Engine>();
  #avoided: readonly FailedDevice[] = [];
  #ended = false;

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** @throws ModelLoadError with the name of the model */
  async load(): Promise<EngineSession> {
    for (;;) {
      const attempt: Attempt = {};
      try {
        return await this.#tryLoad(attempt);
      } catch (error) {
        const failure = loadError(this.#options.spec, error);
        if (this.#ended || failure.code !== 'engine_died' || attempt.device === undefined) throw failure;
        const reason = `the engine process ${attempt.how} while it loaded the model there`;
        if (!this.avoid(attempt.device, reason)) throw failure;
      }
    }
  }

  /**
   * Has `auto` choose another device from now on.
   * @param reason a clause
   * @returns false: the device is configured, the last one there is, or avoided already
   */
  avoid(device: ConcreteDevice, reason: string): boolean {
    const { spec, log } = this.#options;
    if (spec.device !== 'auto' || device === 'cpu') return false;
    if (this.#avoided.some((known) => known.device === device)) return false;
    this.#avoided = [...this.#avoided, { device, reason }];
    log.warn(`'${spec.name}' avoids the device '${device}' from now on: ${reason}`);
    return true;
  }

  /** Devices that were avoided may be tried again. */
  forgive(): void {
    this.#avoided = [];
  }

  /** Ends loads under way: one can't be interrupted, and there is nothing to save in it. */
  async end(): Promise<void> {
    this.#ended = true;
    const engines = [...this.#loading];
    for (const engine of engines) engine.kill();
    await Promise.all(engines.map(({ exited }) => exited));
  }

  async #tryLoad(attempt: Attempt): Promise<EngineSession> {
    const { spec, hub, log, create, onUse, onProgress } = this.#options;
    log.info(`loading '${spec.name}' from ${spec.source}`);
    const engine = create((line) => log.debug(`engine '${spec.name}': ${line}`));
    this.#loading.add(engine);
    let session: EngineSession | undefined;
    let degraded: string | undefined;
    try {
      const info = await engine.load(spec, hub, {
        avoid: this.#avoided,
        onProgress: (progress) => {
          attempt.device = deviceOf(progress, attempt.device);
          onProgress(progress);
        },
        onCondition: (condition) => {
          log.warn(conditionLine(spec.name, condition));
          if (session) session.degraded = condition;
          else degraded = condition;
        },
      });
      session = new EngineSession(engine, info, onUse);
      session.degraded = degraded;
      return session;
    } catch (error) {
      await engine.stop();
      attempt.how = await engine.exited;
      throw error;
    } finally {
      this.#loading.delete(engine);
      onProgress(undefined);
    }
  }
}

/** @param before what was used until now: a model warms up where it was loaded, and a download needs none */
function deviceOf(progress: LoadProgress, before: ConcreteDevice | undefined): ConcreteDevice | undefined {
  switch (progress.phase) {
    case 'downloading':
      return undefined;
    case 'loading':
      return progress.device;
    case 'warming-up':
      return before;
    default:
      return progress satisfies never;
  }
}
