/**
 * Maps the items of an iterator, and its error, and leaves out items that become undefined. Not a generator: `return()` reaches the source
 * at once, also while a `next()` waits.
 */
export function mapIterator<In, Out>(
  source: AsyncIterableIterator<In>,
  map: (item: In) => Out | undefined,
  mapError: (error: unknown) => Error,
): AsyncIterableIterator<Out> {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      for (;;) {
        const result = await source.next().catch((error: unknown) => {
          throw mapError(error);
        });
        if (result.done) return { done: true, value: undefined };
        const value = map(result.value);
        if (value !== undefined) return { done: false, value };
      }
    },
    async return() {
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
}
