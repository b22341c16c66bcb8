import { GenerationError } from '../errors.js';
import { reasonOf } from './failures.js';

/** A request that there isn't the memory for, alone and in the smallest pieces. */
export function notEnoughMemory(cause: unknown): GenerationError {
  return new GenerationError(
    `There is not enough memory for this request: ${reasonOf(cause)}. Send a shorter one; the operator can give the model more memory, or ` +
      `take smaller weights.`,
    { cause },
    'out_of_memory',
  );
}

/** The last words of an engine. */
export function deviceLost(cause: unknown): string {
  return `The device was lost, or has no memory left (${reasonOf(cause)}): the engine ends, to be started again.`;
}
