import { z } from 'zod';

/** How long a request may take, in seconds: the same on every door. */
export const timeoutField = z
  .number()
  .positive()
  .max(86_400)
  .nullish()
  .describe('Seconds; a request that has not ended by then fails with deadline_exceeded. Default: never.');

/** In milliseconds, as the engine has it; undefined: it may take as long as it takes. */
export function toTimeoutMs(seconds: number | null | undefined): number | undefined {
  return seconds == null ? undefined : seconds * 1000;
}
