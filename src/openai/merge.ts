export interface Indexed<T> {
  readonly index: number;
  readonly item: T;
}

/**
 * Interleaves several iterables as their items come, asking each for its next item once the last one was taken. The first
 * failure ends them all, as does leaving the loop.
 */
export async function* mergeIndexed<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<Indexed<T>> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const ready: { index: number; result: IteratorResult<T> }[] = [];
  let failure: { error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const ask = (index: number, iterator: AsyncIterator<T>): void => {
    iterator
      .next()
      .then(
        (result) => void ready.push({ index, result }),
        (error: unknown) => (failure ??= { error }),
      )
      .finally(() => wake?.());
  };

  let open = iterators.length;
  iterators.forEach((iterator, index) => ask(index, iterator));
  try {
    while (open > 0) {
      if (failure) throw failure.error;
      const next = ready.shift();
      if (!next) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      if (next.result.done) {
        open--;
        continue;
      }
      yield { index: next.index, item: next.result.value };
      ask(next.index, iterators[next.index] as AsyncIterator<T>);
    }
  } finally {
    await Promise.all(iterators.map(async (iterator) => iterator.return?.()));
  }
}
