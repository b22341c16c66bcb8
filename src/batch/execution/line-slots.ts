import { CancelledError } from '../../engine/errors.js';

/** A line takes one more slot for each so many bytes: however long lines are, those in flight have a bound. */
const BYTES_OF_A_SLOT = 512 * 1024;

interface Waiting {
  readonly slots: number;
  readonly go: () => void;
}

/** So many lines in flight at a time, whatever chunk they are of; who comes first is served first. */
export class LineSlots {
  readonly #all: number;
  #free: number;
  readonly #waiting: Waiting[] = [];

  constructor(slots: number) {
    this.#all = slots;
    this.#free = slots;
  }

  /**
   * @param bytes of the line
   * @returns undefined: it may go; a promise: it may when that resolves
   * @throws CancelledError by the promise, if the signal aborts before
   */
  take(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    const slots = this.#slotsOf(bytes);
    if (this.#waiting.length === 0 && slots <= this.#free) {
      this.#free -= slots;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        slots,
        go: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        this.#serve();
        reject(new CancelledError());
      };
      this.#waiting.push(waiting);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  /** @param bytes as they were taken */
  release(bytes: number): void {
    this.#free += this.#slotsOf(bytes);
    this.#serve();
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next && next.slots <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.slots;
      next.go();
    }
  }

  /** The longest line has all of them. */
  #slotsOf(bytes: number): number {
    return Math.min(1 + Math.floor(bytes / BYTES_OF_A_SLOT), this.#all);
  }
}
