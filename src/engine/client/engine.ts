import type { ResidentError } from '../errors.js';
import type { EngineStats } from '../protocol.js';
import type { HubOptions, LoadContext, LoadedModelInfo, ModelSpec, Priority } from '../types.js';
import type { Flight, FlightEvent } from './flight.js';

/**
 * What holds one model, from its load to its end: a process of its own, or, in places that can't have one, this process. It is never
 * loaded a second time and never started again; that is the supervisor's part, who makes another.
 */
export interface Engine {
  /** Settles when it has ended, however that came, and never rejects. The text goes on after "the engine process …". */
  readonly exited: Promise<string>;
  /** Requests that came to their end. */
  readonly finished: number;
  /** @throws ModelLoadError */
  load(spec: ModelSpec, hub: HubOptions, context: LoadContext): Promise<LoadedModelInfo>;
  /** Runs a request, maybe one that another engine could not. */
  take(flight: Flight<FlightEvent>): void;
  /** The requests that were in flight when it ended, and that nothing was answered to: begun anew elsewhere, nobody notices. */
  takeRetriable(): Flight<FlightEvent>[];
  /** Ends every request under way with this error. */
  failAll(error: ResidentError): void;
  /** What it takes up now; undefined: it has ended, or doesn't answer before it does. */
  stats(): Promise<EngineStats | undefined>;
  /** Ends it in order, or by force if that takes long. What is in flight fails. */
  stop(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

/** Makes an engine that has nothing loaded yet. `onOutput`: told of each line that its process writes. */
export type CreateEngine = (onOutput: (line: string) => void) => Engine;

/** What the supervisor tells whoever keeps the log. */
export interface EngineLog {
  info(message: string): void;
  warn(message: string): void;
  debug(message: string): void;
}

export interface GenerateOptions {
  /** Aborting frees the work within one step. */
  readonly signal?: AbortSignal | undefined;
  readonly priority?: Priority | undefined;
  /** Whoever sent it: clients of one priority share the model evenly. Default: all are one client. */
  readonly client?: string | undefined;
  /**
   * false: no `token` events, the whole text comes with `finish`. That saves a message per token, and the wake-up of this
   * process, which on a machine with few cores takes its time from the model. Default: true.
   */
  readonly stream?: boolean | undefined;
  /**
   * false: fails with `engine_restarted` if the engine dies, instead of being begun anew by itself. For callers that find out
   * which of their requests ended it. Default: true.
   */
  readonly retry?: boolean | undefined;
}

/** What every request may say besides what is asked. */
export type CallOptions = Omit<GenerateOptions, 'stream'>;
