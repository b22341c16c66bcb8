import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLines, type Line } from '../../../src/batch/lines/read-lines.js';
import { settled } from '../helpers/recorder.js';

const NO_LIMIT = 1e9;

async function* chunksOf(parts: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* parts;
}

async function read(
  parts: readonly (Buffer | string)[],
  limit = NO_LIMIT,
  fromStart = false,
): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const block of readLines(chunksOf(parts.map((part) => Buffer.from(part))), { limit, fromStart }))
    lines.push(...block);
  return lines;
}

/** Lines as text, blank ones as '', those over the limit as null. */
function texts(lines: readonly Line[]): (string | null)[] {
  return lines.map((line) => {
    switch (line.kind) {
      case 'line':
        return line.bytes.toString('latin1');
      case 'blank':
        return '';
      case 'too_long':
        return null;
      default:
        return line satisfies never;
    }
  });
}

/** Splits the whole file at once. In latin1 every byte is one character. */
function oracle(bytes: Buffer, limit: number): (string | null)[] {
  const lines = bytes.toString('latin1').split('\n');
  if (lines.at(-1) === '') lines.pop(); // what a line end is behind is not one more line
  return lines.map((line) => {
    if (line.length > limit) return null;
    return /^[ \t\r]*$/.test(line) ? '' : line.replace(/\r$/, '');
  });
}

/** Cuts bytes at these places, wherever they are; some chunks come out empty. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

const anyByte = fc.nat(255);
const telling = fc.constantFrom(0x0a, 0x0d, 0x41, 0xff, 0x20, 0x09);
const files = fc
  .oneof(fc.array(anyByte, { maxLength: 200 }), fc.array(telling, { maxLength: 60 }))
  .map((bytes) => Buffer.from(bytes));
const places = fc.array(fc.nat(), { maxLength: 10 });

describe('readLines', () => {
  it('gives the lines that splitting the whole file gives, however it comes in chunks', async () => {
    await fc.assert(
      fc.asyncProperty(files, places, async (bytes, at) => {
        expect(texts(await read(cut(bytes, at)))).toEqual(oracle(bytes, NO_LIMIT));
      }),
      { numRuns: 1000 },
    );
  });

  it('says of lines over the limit only that they are, and gives those after them', async () => {
    await fc.assert(
      fc.asyncProperty(files, places, fc.nat(12), async (bytes, at, limit) => {
        expect(texts(await read(cut(bytes, at), limit))).toEqual(oracle(bytes, limit));
      }),
      { numRuns: 1000 },
    );
  });

  it('tells how much of the file each line takes: together all of it', async () => {
    await fc.assert(
      fc.asyncProperty(files, places, fc.nat(12), async (bytes, at, limit) => {
        const lines = await read(cut(bytes, at), limit);
        expect(lines.reduce((sum, { length }) => sum + length, 0)).toBe(bytes.length);
        let from = 0;
        for (const { length } of lines.slice(0, -1)) {
          from += length;
          expect(bytes[from - 1]).toBe(0x0a);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('drops a byte order mark at the start of a file, and nowhere else', async () => {
    const mark = Buffer.from([0xef, 0xbb, 0xbf]);
    const parts = [mark.subarray(0, 1), mark.subarray(1), Buffer.from('a\n'), mark, Buffer.from('b')];
    expect(texts(await read(parts, NO_LIMIT, true))).toEqual(['a', '\xef\xbb\xbfb']);
    expect(texts(await read(parts, NO_LIMIT, false))).toEqual(['\xef\xbb\xbfa', '\xef\xbb\xbfb']);
    expect((await read(parts, NO_LIMIT, true)).map(({ length }) => length)).toEqual([5, 4]);
  });

  it('gives blocks that are small, however many lines come at once', async () => {
    const source = chunksOf([Buffer.from('a\n'.repeat(1000))]);
    const sizes: number[] = [];
    for await (const block of readLines(source, { limit: NO_LIMIT, fromStart: true }))
      sizes.push(block.length);
    expect(sizes).toEqual([256, 256, 256, 232]);
  });

  it('ends lines with LF or CRLF, and keeps a CR inside one', async () => {
    expect(texts(await read(['a\r\nb\nc\rd\r\n']))).toEqual(['a', 'b', 'c\rd']);
  });

  it('takes a CR and its LF from two chunks', async () => {
    expect(texts(await read(['a\r', '\nb']))).toEqual(['a', 'b']);
  });

  it('gives a last line without a line end', async () => {
    expect(texts(await read(['a\nb']))).toEqual(['a', 'b']);
    expect(texts(await read(['a\nb\n']))).toEqual(['a', 'b']);
  });

  it('gives empty lines, so that lines keep their numbers', async () => {
    expect(texts(await read(['\n\na\n\n']))).toEqual(['', '', 'a', '']);
  });

  it('gives no lines for an empty file', async () => {
    expect(await read([])).toEqual([]);
    expect(await read(['', ''])).toEqual([]);
  });

  it('takes a line of exactly the limit, and none of a byte more', async () => {
    expect(texts(await read(['abcd\nabcde\nab'], 4))).toEqual(['abcd', null, 'ab']);
    expect(texts(await read(['ab', 'cd', '\nab', 'cde'], 4))).toEqual(['abcd', null]);
  });

  it('keeps nothing of a line that has become too long', async () => {
    const memory: WeakRef<ArrayBufferLike>[] = [];
    async function* tooLong(): AsyncGenerator<Buffer> {
      for (let i = 0; i < 4; i++) {
        const chunk = Buffer.alloc(10_000, 'a');
        memory.push(new WeakRef(chunk.buffer));
        yield chunk;
      }
      await settled(); // a WeakRef's target lives on until the end of the turn
      collectGarbage();
      // the last chunk may still be on the stack of the loop
      expect(memory.slice(0, -1).map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
      yield Buffer.from('\nshort');
    }
    const lines: Line[] = [];
    for await (const block of readLines(tooLong(), { limit: 1000, fromStart: true })) lines.push(...block);
    expect(texts(lines)).toEqual([null, 'short']);
  });

  it('passes on a failure of the file', async () => {
    const failure = new Error('EIO');
    async function* failing(): AsyncGenerator<Buffer> {
      yield Buffer.from('a\nb');
      throw failure;
    }
    const lines = readLines(failing(), { limit: NO_LIMIT, fromStart: true });
    expect(await lines.next()).toMatchObject({ done: false });
    await expect(lines.next()).rejects.toBe(failure);
  });

  it('leaves the file when the reader leaves', async () => {
    let left = false;
    async function* source(): AsyncGenerator<Buffer> {
      try {
        yield Buffer.from('a\nb\n');
        yield Buffer.from('c\n');
      } finally {
        left = true;
      }
    }
    for await (const block of readLines(source(), { limit: NO_LIMIT, fromStart: true })) {
      expect(block).toMatchObject([{ kind: 'line' }, { kind: 'line' }]);
      break;
    }
    expect(left).toBe(true);
  });
});
