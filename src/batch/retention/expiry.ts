import type { BatchLimits } from '../batch-options.interface.js';

const DAY_MS = 86_400_000;

/**
 * When a file may be removed, in milliseconds since 1970; null: never.
 * @param seconds what was asked for; null: the limit of the configuration
 */
export function expiryOf(
  createdAt: number,
  seconds: number | null,
  { fileDays }: Pick<BatchLimits, 'fileDays'>,
): number | null {
  if (seconds !== null) return createdAt + seconds * 1000;
  return fileDays === null ? null : createdAt + fileDays * DAY_MS;
}
