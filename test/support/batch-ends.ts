import type { BatchStatus } from '../../src/batch/batch-types.js';

/** The states that a batch stays in. */
export const ENDED: readonly BatchStatus[] = ['completed', 'failed', 'expired', 'cancelled'];
