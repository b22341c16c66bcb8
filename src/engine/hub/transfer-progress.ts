import type { LoadProgress } from '../types.js';

/** At most so often, in milliseconds. */
const EVERY_MS = 200;

/** Counts the bytes of a download of several files, and tells of them five times a second at most. */
export class TransferProgress {
  readonly #tell: (progress: LoadProgress) => void;
  readonly #totalBytes: number;
  readonly #perFile = new Map<string, number>();
  #toldAt = -Infinity;

  /** @param totalBytes of all files of the model that a load needs */
  constructor(totalBytes: number, tell: (progress: LoadProgress) => void) {
    this.#totalBytes = totalBytes;
    this.#tell = tell;
  }

  /** Bytes that are there. */
  get bytes(): number {
    return [...this.#perFile.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  get missing(): number {
    return this.#totalBytes - this.bytes;
  }

  /** @param bytes of this file that are there by now */
  set(file: string, bytes: number): void {
    this.#perFile.set(file, bytes);
  }

  /** @param now whether it is told at any rate: the first and the last time */
  tell(file: string, now = false): void {
    const at = performance.now();
    if (!now && at - this.#toldAt < EVERY_MS) return;
    this.#toldAt = at;
    this.#tell({ phase: 'downloading', file, bytes: this.bytes, totalBytes: this.#totalBytes });
  }
}
