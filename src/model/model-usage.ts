import type { EngineState } from '../engine/client/engine-state.js';

/** What one model cost and did since the server started; for the ledger of residency. */
export interface ModelUsage {
  readonly name: string;
  readonly state: EngineState;
  /** Times that it was loaded. */
  readonly loads: number;
  /** Of all loads together, from the order to load until the model could answer, in milliseconds. */
  readonly loadMs: number;
  /** Of the latest load; missing before the first. */
  readonly lastLoadMs?: number | undefined;
  /** CPU time of all loads together, in milliseconds; of a load whose engine doesn't tell it (`loadCpuMs`), as long as it took. */
  readonly loadCpuMs: number;
  /** Engine processes that died and were to be started again. */
  readonly restarts: number;
  /** Requests of any kind and priority that were answered whole. */
  readonly requests: number;
  /** Since when the present engine process holds it, ISO 8601; missing while it isn't loaded. */
  readonly residentSince?: string | undefined;
  /** How long it has been loaded altogether, in seconds. */
  readonly residentSeconds: number;
  /** When a request came last, ISO 8601; missing before the first. */
  readonly lastRequestAt?: string | undefined;
  /**
   * Resident memory of its engine process, in bytes (of both while a reload goes on), as the engine told last; missing while there is
   * none, or it hasn't told yet.
   */
  readonly engineRss?: number | undefined;
  /** How late turns of the engine's event loop were lately (its steps block it), 99th percentile in milliseconds. */
  readonly engineEventLoopDelayP99Ms?: number | undefined;
}
