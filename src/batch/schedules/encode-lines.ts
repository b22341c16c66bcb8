import { CancelledError, InvalidRequestError, messageOf, ResidentError } from '../../engine/errors.js';
import { orAborted } from '../execution/aborts.js';
import type { LineSource } from './line-source.js';

/** Bytes that are written at a time. */
const PART_BYTES = 64 * 1024;

/**
 * The lines of a source as a file of JSON lines.
 * @param url of objects that name none
 * @throws InvalidRequestError for what is no line; `internal_error`, if the source fails; CancelledError
 */
export async function* encodeLines(
  lines: ReturnType<LineSource['lines']>,
  url: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  let parts: string[] = [];
  let length = 0;
  let number = 0;
  for await (const line of readSource(lines, signal)) {
    const text = `${toLine(line, ++number, url)}\n`;
    parts.push(text);
    length += text.length;
    if (length < PART_BYTES) continue;
    yield Buffer.from(parts.join(''));
    parts = [];
    length = 0;
  }
  if (parts.length > 0) yield Buffer.from(parts.join(''));
}

/** Says of a failure that it is the source's. A source that doesn't heed the signal is left behind. */
async function* readSource(
  lines: ReturnType<LineSource['lines']>,
  signal: AbortSignal,
): AsyncGenerator<string | object, void, undefined> {
  const iterator = Symbol.asyncIterator in lines ? lines[Symbol.asyncIterator]() : lines[Symbol.iterator]();
  try {
    for (;;) {
      const { done, value } = await orAborted(Promise.resolve(iterator.next()), signal);
      if (done === true) return;
      yield value;
    }
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    throw new ResidentError('internal_error', `The source of the lines failed: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    // not awaited: a generator's return() waits for the line that it is at
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

function toLine(line: unknown, number: number, url: string): string {
  if (typeof line === 'string') {
    if (/[\r\n]/.test(line))
      throw invalid(number, 'holds a line end: a string is one line, an object may hold any text');
    return line;
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line))
    throw invalid(number, 'is neither a string nor an object');
  return JSON.stringify({ method: 'POST', url, ...line });
}

function invalid(number: number, what: string): InvalidRequestError {
  return new InvalidRequestError('invalid_value', `Line ${number} of the source ${what}.`);
}
