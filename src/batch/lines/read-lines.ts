/** A line of a file. `length` is what it takes of the file, its end included, in bytes. */
export type Line =
  /** `bytes`: without the line end, and without a byte order mark. */
  | { readonly kind: 'line'; readonly bytes: Buffer; readonly length: number }
  /** Nothing but spaces, tabs and the line end. */
  | { readonly kind: 'blank'; readonly length: number }
  | { readonly kind: 'too_long'; readonly length: number };

export interface ReadLinesOptions {
  /** Longest line that is given, in bytes without its `\n`. */
  readonly limit: number;
  /** Whether the bytes are those of the file's beginning: a byte order mark may come first. */
  readonly fromStart: boolean;
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** Lines given at a time: enough that a line costs no turn of its own, few enough that they take little time. */
const BLOCK = 256;

/**
 * Splits bytes into lines, given in blocks; the end of the file ends the last one. Holds one line beside what was read at
 * once, and of one that is too long nothing.
 */
export async function* readLines(
  source: AsyncIterable<Buffer>,
  { limit, fromStart }: ReadLinesOptions,
): AsyncGenerator<readonly Line[]> {
  const splitter = new LineSplitter(limit, fromStart);
  let block: Line[] = [];
  for await (const part of source) {
    for (let from = 0; from < part.length;) {
      const at = part.indexOf(NEWLINE, from);
      const end = at < 0 ? part.length : at + 1;
      splitter.add(part.subarray(from, end));
      from = end;
      if (at < 0) break;
      block.push(splitter.take());
      if (block.length < BLOCK) continue;
      yield block;
      block = [];
    }
    if (block.length > 0) yield block;
    block = [];
  }
  if (splitter.begun) yield [splitter.take()];
}

/** The line that isn't complete yet. */
class LineSplitter {
  readonly #limit: number;
  #isFirst: boolean;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(limit: number, isFirst: boolean) {
    this.#limit = limit;
    this.#isFirst = isFirst;
  }

  get begun(): boolean {
    return this.#length > 0;
  }

  /** @param part with its `\n`, if the line ends */
  add(part: Buffer): void {
    this.#length += part.length;
    // its `\n` doesn't count
    if (this.#length > this.#limit + 1) this.#parts = [];
    else this.#parts.push(part);
  }

  take(): Line {
    const length = this.#length;
    const [first] = this.#parts;
    const bytes = first && this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const isComplete = bytes.length === length;
    if (!isComplete || withoutNewline(bytes).length > this.#limit) return { kind: 'too_long', length };
    const content = withoutCarriageReturn(withoutNewline(isFirst ? withoutMark(bytes) : bytes));
    return isBlank(content) ? { kind: 'blank', length } : { kind: 'line', bytes: content, length };
  }
}

function withoutMark(line: Buffer): Buffer {
  const { length } = BYTE_ORDER_MARK;
  return line.length >= length && line.subarray(0, length).equals(BYTE_ORDER_MARK)
    ? line.subarray(length)
    : line;
}

function withoutNewline(line: Buffer): Buffer {
  return line[line.length - 1] === NEWLINE ? line.subarray(0, -1) : line;
}

function withoutCarriageReturn(line: Buffer): Buffer {
  return line[line.length - 1] === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}

function isBlank(line: Buffer): boolean {
  const first = line[0] ?? SPACE;
  return first <= SPACE && line.every((byte) => byte === SPACE || byte === TAB || byte === CARRIAGE_RETURN);
}
