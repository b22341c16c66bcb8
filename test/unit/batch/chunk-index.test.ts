import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkIndex } from '../../../src/batch/lines/chunk-index.js';

interface TestLine {
  readonly length: number;
  readonly isRefused: boolean;
}

function chunksOf(lines: readonly TestLine[], chunkLines: number) {
  const index = new ChunkIndex(chunkLines);
  for (const { length, isRefused } of lines) index.add(length, isRefused);
  expect(index.lines).toBe(lines.length);
  return index.chunks();
}

const anyLines = fc.array(fc.record({ length: fc.integer({ min: 1, max: 50 }), isRefused: fc.boolean() }), {
  maxLength: 700,
});

describe('the chunks of a file', () => {
  it('hold every line once, in order, none more than they may; their bytes are those of their lines', () => {
    fc.assert(
      fc.property(anyLines, fc.integer({ min: 1, max: 60 }), (lines, chunkLines) => {
        let line = 0;
        let byte = 0;
        for (const [number, chunk] of chunksOf(lines, chunkLines).entries()) {
          expect(chunk).toMatchObject({ number, firstLine: line + 1, byteStart: byte });
          expect(chunk.lines).toBeGreaterThan(0);
          expect(chunk.lines).toBeLessThanOrEqual(chunkLines);
          const held = lines.slice(line, line + chunk.lines);
          expect(chunk.byteLength).toBe(held.reduce((sum, { length }) => sum + length, 0));
          expect(chunk.rejected).toBe(held.filter(({ isRefused }) => isRefused).length);
          line += chunk.lines;
          byte += chunk.byteLength;
        }
        expect(line).toBe(lines.length);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    { lines: 0, chunks: 0 },
    { lines: 1, chunks: 1 },
    { lines: 16, chunks: 1 },
    { lines: 2000, chunks: 32 },
    { lines: 50_000, chunks: 101 },
  ])('are enough to be shared, and not too small: $lines lines make $chunks', ({ lines, chunks }) => {
    const found = chunksOf(
      Array.from({ length: lines }, () => ({ length: 10, isRefused: false })),
      500,
    );
    expect(found.length).toBe(chunks);
  });
});
