import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Keeps the last lines that a process wrote, for the report of how it ended. */
export class LineTail {
  readonly lines: string[] = [];
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  follow(stream: Readable | null, onLine?: (line: string) => void): void {
    if (!stream) return;
    createInterface({ input: stream }).on('line', (line) => {
      const text = line.trim();
      if (text === '') return;
      this.lines.push(text);
      if (this.lines.length > this.#most) this.lines.shift();
      onLine?.(text);
    });
  }
}
