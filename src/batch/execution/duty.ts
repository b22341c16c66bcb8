import type { TroubleLog } from './trouble-log.js';

/**
 * Something that is looked after again and again, one time after the other. Asked for while it is under way it is done once
 * more afterwards. What it fails with is told and tried again.
 */
export class Duty {
  readonly #name: string;
  readonly #work: () => Promise<void>;
  readonly #trouble: TroubleLog;
  #running: Promise<void> | undefined;
  #again = false;
  #hasEnded = false;

  constructor(name: string, work: () => Promise<void>, trouble: TroubleLog) {
    this.#name = name;
    this.#work = work;
    this.#trouble = trouble;
  }

  wake(): void {
    if (this.#hasEnded) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) this.wake();
    });
  }

  /** No more of it; resolves when what is under way has ended. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#hasEnded) {
      this.#again = false;
      try {
        await this.#work();
        this.#trouble.worked(this.#name);
      } catch (error) {
        this.#trouble.failed(this.#name, error);
      }
    }
  }
}
