import type { CallResult, EngineCall } from './encoder-types.js';
import type { WireError } from './errors.js';
import type {
  FailedDevice,
  GenerationEvent,
  GenerationRequest,
  HubOptions,
  LoadProgress,
  LoadedModelInfo,
  ModelSpec,
  Priority,
} from './types.js';

/**
 * The messages between the server and an engine process, over Node's IPC channel with the structured-clone
 * serialization (`serialization: 'advanced'`). Ids are the server's, unique for the life of the channel.
 */
export type ToEngine =
  | {
      readonly type: 'load';
      readonly spec: ModelSpec;
      readonly hub: HubOptions;
      /** Devices that `auto` doesn't try. */
      readonly avoid: readonly FailedDevice[];
    }
  | {
      readonly type: 'generate';
      readonly id: number;
      readonly request: GenerationRequest;
      readonly priority: Priority;
      /** Whoever sent it: clients of one priority share the model evenly. */
      readonly client: string;
      /** false: no `token` events, the whole text comes with `finish`. */
      readonly stream: boolean;
    }
  | {
      readonly type: 'call';
      readonly id: number;
      readonly call: EngineCall;
      readonly priority: Priority;
      /** Whoever sent it: clients of one priority share the model evenly. */
      readonly client: string;
    }
  | { readonly type: 'cancel'; readonly id: number }
  /** Answered with `pong` between two steps: whoever doesn't answer hangs. */
  | { readonly type: 'ping' }
  /** Answered with `stats` between two steps. */
  | { readonly type: 'stats' }
  | { readonly type: 'shutdown' };

/** What an engine takes up. */
export interface EngineStats {
  /** Resident memory of its process, in bytes. */
  readonly rss: number;
  /**
   * How late turns of its event loop were since it was asked last, 99th percentile in milliseconds: a step blocks the loop as long as it
   * lasts. Missing in the first answer.
   */
  readonly eventLoopDelayP99Ms?: number | undefined;
}

/** What an engine process can say of its load; the server adds `loadMs`, which includes starting the process. */
export type LoadReport = Omit<LoadedModelInfo, 'loadMs'>;

/** All that comes back of a call. */
export interface CallAnswer {
  readonly type: 'result';
  readonly result: CallResult;
}

export type FromEngine =
  | { readonly type: 'loaded'; readonly report: LoadReport }
  | { readonly type: 'load_failed'; readonly error: WireError }
  /** Before `loaded`. */
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  /** At any time after `loaded`: what the model can't do as well as it should, or that it is well again. */
  | { readonly type: 'condition'; readonly degraded: string | undefined }
  | { readonly type: 'event'; readonly id: number; readonly event: GenerationEvent }
  | { readonly type: 'result'; readonly id: number; readonly result: CallResult }
  | { readonly type: 'failed'; readonly id: number; readonly error: WireError }
  | { readonly type: 'pong' }
  | { readonly type: 'stats'; readonly stats: EngineStats };
