/**
 * The indices of the `count` largest values, largest first; of equals the first. A min-heap of that size: nearly every value
 * is compared once with the smallest of the best so far and passed over.
 */
export function topIndices(values: Float32Array, count: number): number[] {
  const size = Math.min(count, values.length);
  if (size === 0) return [];
  const isWorse = (a: number, b: number): boolean => {
    const x = values[a] as number;
    const y = values[b] as number;
    return x < y || (x === y && a > b);
  };
  const heap = Array.from({ length: size }, (_, i) => i);
  for (let i = (size >> 1) - 1; i >= 0; i--) siftDown(heap, i, isWorse);
  for (let i = size; i < values.length; i++) {
    if (isWorse(heap[0] as number, i)) {
      heap[0] = i;
      siftDown(heap, 0, isWorse);
    }
  }
  return heap.toSorted((a, b) => (isWorse(a, b) ? 1 : -1));
}

/** Restores the heap (worst first) below `at`. */
function siftDown(heap: number[], at: number, isWorse: (a: number, b: number) => boolean): void {
  const item = heap[at] as number;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isWorse(heap[child + 1] as number, heap[child] as number)) child++;
    if (!isWorse(heap[child] as number, item)) break;
    heap[at] = heap[child] as number;
    at = child;
  }
  heap[at] = item;
}
