import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeIndexed, type Indexed } from '../../src/openai/merge.js';

/** Items that come when the test says so; notes how often it was asked and left. */
class Source<T> implements AsyncIterableIterator<T> {
  asked = 0;
  returned = 0;
  readonly #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: Error) => void }[] = [];

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    this.asked++;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<T>> {
    this.returned++;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  give(value: T): void {
    this.#waiting.shift()?.resolve({ done: false, value });
  }

  end(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
  }

  fail(error: Error): void {
    this.#waiting.shift()?.reject(error);
  }
}

async function* sourceOf<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}

async function readAll<T>(merged: AsyncIterable<Indexed<T>>): Promise<Indexed<T>[]> {
  const items: Indexed<T>[] = [];
  for await (const item of merged) items.push(item);
  return items;
}

describe('mergeIndexed', () => {
  it('gives every item of every source once, each source in its order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.nat(), { maxLength: 6 }), { maxLength: 6 }), async (lists) => {
        const merged = await readAll(mergeIndexed(lists.map((list) => sourceOf(list))));
        for (const [i, list] of lists.entries()) {
          expect(merged.filter(({ index }) => index === i).map(({ item }) => item)).toEqual(list);
        }
        expect(merged).toHaveLength(lists.flat().length);
      }),
    );
  });

  it('gives items in the order in which they come, whichever source they are of', async () => {
    const [a, b] = [new Source<string>(), new Source<string>()];
    const merged = mergeIndexed([a, b]);
    const first = merged.next();
    b.give('b1');
    expect(await first).toEqual({ done: false, value: { index: 1, item: 'b1' } });
    const second = merged.next();
    a.give('a1');
    expect(await second).toEqual({ done: false, value: { index: 0, item: 'a1' } });
  });

  it('asks a source for more only when its item was taken', async () => {
    const [a, b] = [new Source<string>(), new Source<string>()];
    const merged = mergeIndexed([a, b]);
    const first = merged.next();
    expect([a.asked, b.asked]).toEqual([1, 1]);
    a.give('a1');
    await first;
    expect([a.asked, b.asked]).toEqual([1, 1]);
    const second = merged.next();
    expect([a.asked, b.asked]).toEqual([2, 1]);
    b.give('b1');
    await second;
  });

  it('ends when all sources have ended', async () => {
    const [a, b] = [new Source<string>(), new Source<string>()];
    const merged = readAll(mergeIndexed([a, b]));
    a.end();
    b.end();
    expect(await merged).toEqual([]);
  });

  it('ends all sources with the first failure, and throws it', async () => {
    const [a, b] = [new Source<string>(), new Source<string>()];
    const merged = readAll(mergeIndexed([a, b]));
    b.fail(new Error('gone'));
    await expect(merged).rejects.toThrow('gone');
    expect([a.returned, b.returned]).toEqual([1, 1]);
  });

  it('ends all sources when the loop is left', async () => {
    const [a, b] = [new Source<string>(), new Source<string>()];
    const merged = mergeIndexed([a, b]);
    const first = merged.next();
    a.give('a1');
    await first;
    await merged.return(undefined);
    expect([a.returned, b.returned]).toEqual([1, 1]);
  });

  it('takes failures of sources that nobody reads any more quietly', async () => {
    const [a, b] = [new Source<string>(), new Source<string>()];
    const merged = readAll(mergeIndexed([a, b]));
    a.fail(new Error('first'));
    b.fail(new Error('second'));
    await expect(merged).rejects.toThrow('first');
  });
});
