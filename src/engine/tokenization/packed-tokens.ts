/**
 * The tokens of several texts in one list, as they cross threads: the number of each, then all of them.
 * @param lists at most as many as `unpackTokens` is told
 */
export function packTokens(lists: readonly Int32Array[]): Int32Array<ArrayBuffer> {
  const packed = new Int32Array(lists.reduce((sum, { length }) => sum + length, lists.length));
  let at = lists.length;
  for (const [i, tokens] of lists.entries()) {
    packed[i] = tokens.length;
    packed.set(tokens, at);
    at += tokens.length;
  }
  return packed;
}

/**
 * The reverse of `packTokens`: views, not copies.
 * @param count of the lists
 */
export function unpackTokens(packed: Int32Array, count: number): Int32Array[] {
  let at = count;
  return Array.from(packed.subarray(0, count), (length) => packed.subarray(at, (at += length)));
}
