import type { ChunkRange } from '../batch-types.js';

/** Chunks that a batch is cut into, if its lines are enough: several workers have something to share then. */
const CHUNKS = 32;
/** Chunks aren't made smaller than this for that. */
const SMALLEST = 16;
/** Lines between two places that are remembered. */
const STEP = 8;

/** Remembers where lines begin, a few apart, and cuts a file into chunks of whole lines. */
export class ChunkIndex {
  readonly #most: number;
  readonly #step: number;
  /** Of every group of `step` lines: where it begins in the file, and how many of its lines are refused. */
  readonly #starts: number[] = [];
  readonly #refused: number[] = [];
  #lines = 0;
  #bytes = 0;

  /** @param chunkLines most lines of a chunk */
  constructor(chunkLines: number) {
    this.#step = Math.min(STEP, chunkLines);
    this.#most = chunkLines - (chunkLines % this.#step);
  }

  /** Lines so far. */
  get lines(): number {
    return this.#lines;
  }

  /** @param length what the line takes of the file, its end included, in bytes */
  add(length: number, isRefused: boolean): void {
    if (this.#lines % this.#step === 0) {
      this.#starts.push(this.#bytes);
      this.#refused.push(0);
    }
    const group = this.#refused.length - 1;
    if (isRefused) this.#refused[group] = (this.#refused[group] as number) + 1;
    this.#lines++;
    this.#bytes += length;
  }

  /** The chunks, of every line that was added. */
  chunks(): ChunkRange[] {
    const wanted = Math.max(Math.ceil(this.#lines / CHUNKS), SMALLEST);
    const groups = Math.min(Math.ceil(wanted / this.#step), this.#most / this.#step);
    const chunks: ChunkRange[] = [];
    for (let first = 0; first < this.#starts.length; first += groups)
      chunks.push(this.#chunk(chunks.length, first, Math.min(first + groups, this.#starts.length)));
    return chunks;
  }

  /** @param end group behind the last one of the chunk */
  #chunk(number: number, first: number, end: number): ChunkRange {
    const byteStart = this.#starts[first] as number;
    let rejected = 0;
    for (let group = first; group < end; group++) rejected += this.#refused[group] as number;
    return {
      number,
      firstLine: first * this.#step + 1,
      lines: Math.min(end * this.#step, this.#lines) - first * this.#step,
      byteStart,
      byteLength: (this.#starts[end] ?? this.#bytes) - byteStart,
      rejected,
    };
  }
}
