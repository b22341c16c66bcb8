import { totalmem } from 'node:os';
import type { Limits } from '../scheduling/scheduled.js';
import type { ModelSpec } from '../types.js';

/** Of what a model's specification leaves open. */
export const DEFAULT_LIMITS: Limits = {
  maxRows: 32,
  backgroundRows: 1,
  prefillChunk: 128,
  backgroundChunk: 8,
  backgroundPassMs: 20,
  stepTokens: 256,
};
/** Share of the machine's (or the container's) memory that a KV cache takes if nothing is said, and the most of it in bytes. */
const MEMORY_SHARE = 0.25;
const MOST_MEMORY = 2 ** 30;

/** What a step may hold, with defaults for what the specification leaves open. */
export function resolveLimits(spec: ModelSpec): Limits {
  return {
    maxRows: spec.maxRows ?? DEFAULT_LIMITS.maxRows,
    backgroundRows: spec.backgroundRows ?? DEFAULT_LIMITS.backgroundRows,
    prefillChunk: spec.prefillChunk ?? DEFAULT_LIMITS.prefillChunk,
    backgroundChunk: spec.backgroundChunk ?? DEFAULT_LIMITS.backgroundChunk,
    backgroundPassMs: spec.backgroundPassMs ?? DEFAULT_LIMITS.backgroundPassMs,
    stepTokens: spec.stepTokens ?? DEFAULT_LIMITS.stepTokens,
  };
}

/**
 * Most bytes that the KV cache may take. Memory is taken only as it is used; what no sequence of the model's context length in
 * every row could use is not counted.
 * @param needed bytes that `maxRows` sequences of the full context length take
 */
export function resolveCacheMemory({ kvCacheMemory }: ModelSpec, needed: number): number {
  if (kvCacheMemory !== undefined) return kvCacheMemory;
  const limit = process.constrainedMemory?.() ?? 0;
  // without a limit, a number beyond any memory or 0
  const memory = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return Math.min(memory * MEMORY_SHARE, MOST_MEMORY, needed);
}
