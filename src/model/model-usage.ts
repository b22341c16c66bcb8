import type { SupervisedUsage } from '../engine/client/engine-supervisor.js';

/** What one model cost and did since the server started; for the ledger of residency. */
export interface ModelUsage extends SupervisedUsage {
  readonly name: string;
}
