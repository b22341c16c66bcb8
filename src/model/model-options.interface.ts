import type { HubOptions, ModelSpec } from '../engine/types.js';

export const LOAD_MODES = ['await', 'background', 'lazy'] as const;
export type LoadMode = (typeof LOAD_MODES)[number];

export interface ResidentModelOptions extends ModelSpec {
  /** Other names that clients may send as `model`. */
  readonly aliases?: readonly string[] | undefined;
  /**
   * `await`: the application is ready when the model is. `background`: it starts without, and requests are refused until then. `lazy`: the
   * first request loads it; requests wait until then.
   */
  readonly load: LoadMode;
  /** How long it is kept without being used, in milliseconds; the next request loads it again then. Default: `always`. */
  readonly keepAlive?: number | 'always' | undefined;
}

export interface ModelModuleOptions {
  /** The models to keep resident. The first is the default of requests that name none. */
  readonly models: readonly ResidentModelOptions[];
  readonly hub: HubOptions;
  /**
   * The program that holds a model, started by Node with an IPC channel (`engine/protocol.ts`); default: ours. For tests that need
   * an engine whose answers and deaths they choose.
   */
  readonly engineEntry?: string;
  /**
   * Where models are held: each in a process of its own, or in this one, where a pass of a model blocks everything else and its crash ends all.
   * The second is for functions that answer one request at a time. Default: `process`.
   */
  readonly engine?: 'process' | 'in-process';
  /** How long a shutdown, or the unloading of a model, waits for generations in flight, in seconds. */
  readonly drainSeconds: number;
}
