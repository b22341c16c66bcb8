import type { HubOptions, ModelSpec } from '../engine/types.js';

export interface ResidentModelOptions extends ModelSpec {
  /** Other names that clients may send as `model`. */
  readonly aliases?: readonly string[] | undefined;
  /** `await`: the application is ready when the model is. `background`: it starts without, and requests are refused until then. */
  readonly load: 'await' | 'background';
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
  /** How long a shutdown waits for generations in flight, in seconds. */
  readonly drainSeconds: number;
}
