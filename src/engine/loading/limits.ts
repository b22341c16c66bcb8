import { totalmem } from 'node:os';
import type { Limits } from '../scheduling/scheduled.js';
import type { ConcreteDevice, ModelSpec } from '../types.js';

/** Of what a model's specification leaves open. */
export const DEFAULT_LIMITS: Limits = {
  maxRows: 32,
  backgroundRows: 1,
  prefillChunk: 128,
  backgroundChunk: 8,
  backgroundPassMs: 20,
  stepTokens: 256,
};
/** On a GPU, where a pass over a thousand tokens costs hardly more than one over a single token, and each pass costs its start. */
export const GPU_LIMITS: Limits = {
  ...DEFAULT_LIMITS,
  maxRows: 64,
  prefillChunk: 1024,
  backgroundChunk: 64,
  stepTokens: 4096,
};
/**
 * Tokens of a pass of an encoder, padding included. On a CPU 32 tokens together already run at full speed (a MiniLM on 2 cores: as
 * many tokens per second in passes of 128 as of 2048), and whoever comes meanwhile waits for the pass; other devices need more.
 */
const BATCH_TOKENS = { cpu: 512, other: 4096 } as const;
/** Of them in a pass over background inputs. */
const BACKGROUND_SHARE = 0.25;
/** Share of the machine's (or the container's) memory that a KV cache takes if nothing is said, and the most of it in bytes. */
const MEMORY_SHARE = 0.25;
const MOST_MEMORY = 2 ** 30;

/** What a step may hold, with defaults for what the specification leaves open. */
export function resolveLimits(spec: ModelSpec, device: ConcreteDevice): Limits {
  const defaults = device === 'cpu' ? DEFAULT_LIMITS : GPU_LIMITS;
  return {
    maxRows: spec.maxRows ?? defaults.maxRows,
    backgroundRows: spec.backgroundRows ?? defaults.backgroundRows,
    prefillChunk: spec.prefillChunk ?? defaults.prefillChunk,
    backgroundChunk: spec.backgroundChunk ?? defaults.backgroundChunk,
    backgroundPassMs: spec.backgroundPassMs ?? defaults.backgroundPassMs,
    stepTokens: spec.stepTokens ?? defaults.stepTokens,
  };
}

/** What a pass of an encoder may hold: the share of background work is smaller, because somebody who comes waits for its end. */
export function resolvePassLimits(
  { batchTokens }: ModelSpec,
  device: ConcreteDevice,
): { tokens: number; backgroundTokens: number } {
  const tokens = batchTokens ?? (device === 'cpu' ? BATCH_TOKENS.cpu : BATCH_TOKENS.other);
  return { tokens, backgroundTokens: Math.ceil(tokens * BACKGROUND_SHARE) };
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
