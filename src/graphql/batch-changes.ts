import type { Batch } from '../batch/batch-types.js';
import { hasEnded, type BatchesService } from '../batch/batches.service.js';
import { pause } from '../engine/pause.js';
import { toGraphQlError } from '../transport/graphql-error.js';

/** Between two looks, in milliseconds. */
const LOOK_MS = 1000;

/**
 * A batch as it is, then whenever something of it has changed, until it has ended. Not a generator: `return()` ends it at once, also
 * while a `next()` waits.
 * @param signal ends it, too
 */
export function batchChanges(
  batches: Pick<BatchesService, 'get'>,
  id: string,
  signal: AbortSignal | undefined,
  lookMs = LOOK_MS,
): AsyncIterableIterator<Batch> {
  const ending = new AbortController();
  const ended = signal ? AbortSignal.any([signal, ending.signal]) : ending.signal;
  let last: string | undefined;
  const look = async (): Promise<IteratorResult<Batch, undefined>> => {
    for (; !ended.aborted; await pause(lookMs, ended)) {
      const batch = await batches.get(id);
      const now = JSON.stringify(batch);
      if (now === last) continue;
      last = now;
      if (hasEnded(batch.status)) ending.abort(); // this one is the last
      return { done: false, value: batch };
    }
    return { done: true, value: undefined };
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        // what was told isn't looked at again at once
        if (last !== undefined) await pause(lookMs, ended);
        return await look();
      } catch (error) {
        ending.abort();
        throw toGraphQlError(error);
      }
    },
    async return() {
      ending.abort();
      return { done: true, value: undefined };
    },
  };
}
