/** A line of a file without its line end, or why it isn't given. */
export type RawLine = { readonly kind: 'line'; readonly bytes: Buffer } | { readonly kind: 'too_long' };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Splits chunks of bytes into lines; the end of the file ends the last one. Holds one line at most, and of one longer
 * than `limit` bytes nothing.
 */
export async function* readLines(chunks: AsyncIterable<Buffer>, limit: number): AsyncGenerator<RawLine> {
  let parts: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer): void => {
    length += part.length;
    if (length > limit) parts = [];
    else parts.push(part);
  };
  const take = (): RawLine => {
    const line: RawLine =
      length > limit
        ? { kind: 'too_long' }
        : { kind: 'line', bytes: withoutCarriageReturn(Buffer.concat(parts)) };
    parts = [];
    length = 0;
    return line;
  };
  let begun = false;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      add(chunk.subarray(from, at));
      yield take();
      from = at + 1;
      begun = false;
    }
    if (from < chunk.length) {
      add(chunk.subarray(from));
      begun = true;
    }
  }
  if (begun) yield take();
}

function withoutCarriageReturn(line: Buffer): Buffer {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}
