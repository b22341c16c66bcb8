import { CancelledError } from '../../engine/errors.js';

/** So many lines in flight at a time, whatever chunk they are of; who comes first is served first. */
export class LineSlots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(slots: number) {
    this.#free = slots;
  }

  /**
   * @returns undefined: it has a slot; a promise: it has one when that resolves
   * @throws CancelledError by the promise, if the signal aborts before
   */
  take(signal: AbortSignal): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const onSlot = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(onSlot), 1);
        reject(new CancelledError());
      };
      this.#waiting.push(onSlot);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}
