import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/batch/batch-types.js';
import { InvalidRequestError } from '../../src/engine/errors.js';
import { batchChanges } from '../../src/graphql/batch-changes.js';

const seen = (status: string, completed = 0) => ({ status, counts: { completed } }) as unknown as Batch;

/** Tells one state after the other, the last one for ever. */
function batches(...states: Batch[]) {
  let looks = 0;
  return {
    looks: () => looks,
    get: async () => states[Math.min(looks++, states.length - 1)] as Batch,
  };
}

async function all(changes: AsyncIterable<Batch>): Promise<[string, number][]> {
  const told: [string, number][] = [];
  for await (const { status, counts } of changes) told.push([status, counts.completed]);
  return told;
}

describe('batchChanges', () => {
  it('tells what has changed, once, and ends with the batch', async () => {
    const running = seen('in_progress', 1);
    const source = batches(
      seen('validating'),
      seen('validating'),
      running,
      running,
      seen('in_progress', 2),
      seen('completed', 2),
    );
    expect(await all(batchChanges(source, 'a', undefined, 1))).toEqual([
      ['validating', 0],
      ['in_progress', 1],
      ['in_progress', 2],
      ['completed', 2],
    ]);
    expect(source.looks()).toBe(6);
  });

  it('looks no sooner than it may, however fast it is asked', async () => {
    const source = batches(seen('validating'), seen('in_progress'));
    const changes = batchChanges(source, 'a', undefined, 60_000);
    await changes.next();
    const next = changes.next();
    await changes.return?.();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(source.looks()).toBe(1);
  });

  it.each(['a signal before it begins', 'a signal while it waits'])('ends with %s', async (when) => {
    const ending = new AbortController();
    const changes = batchChanges(batches(seen('validating')), 'a', ending.signal, 60_000);
    if (when.endsWith('begins')) ending.abort();
    else setTimeout(() => ending.abort(), 5);
    expect((await all(changes)).length).toBe(when.endsWith('begins') ? 0 : 1);
  });

  it('gives a failure its code, and ends', async () => {
    const source = {
      get: () => Promise.reject(new InvalidRequestError('batch_not_found', "There is no batch 'a'.")),
    };
    const changes = batchChanges(source, 'a', undefined, 1);
    await expect(changes.next()).rejects.toMatchObject({ extensions: { code: 'batch_not_found' } });
    expect(await changes.next()).toEqual({ done: true, value: undefined });
  });
});
