import type { LineResult } from '../batch-types.js';
import { MOST_CHARACTERS, MOST_RESULTS } from './execution.constants.js';

/** How long a result may wait for others, in milliseconds. */
const LONGEST_MS = 100;
/** Who has so many times that waiting to be written makes no more for now. */
const FULL = 4;

/** @param last whether there are no more of the chunk */
export type Record = (results: readonly LineResult[], last: boolean) => Promise<void>;

/** Gathers the results of a chunk and has them written many at a time, one transaction after the other. */
export class ResultWriter {
  readonly #record: Record;
  #results: LineResult[] = [];
  #characters = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #failure: unknown;

  /** @param record fails only if there is no use in going on */
  constructor(record: Record) {
    this.#record = record;
  }

  add(result: LineResult): void {
    this.#results.push(result);
    this.#characters += result.body.length;
    if (this.#isDue(1)) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), LONGEST_MS);
  }

  /** Whether so much waits to be written that nothing should be added for now. */
  get isFull(): boolean {
    return this.#isDue(FULL);
  }

  /** Resolves when it isn't full any more. */
  async drained(): Promise<void> {
    await this.#writing;
  }

  /**
   * Writes what is left.
   * @param last whether the chunk is done
   * @throws whatever a write failed with, this one or one before
   */
  async end(last: boolean): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#writing) await this.#writing;
    if (this.#failure) throw this.#failure;
    if (last || this.#results.length > 0) await this.#record(this.#take(), last);
  }

  #isDue(times: number): boolean {
    return this.#results.length >= times * MOST_RESULTS || this.#characters >= times * MOST_CHARACTERS;
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing || this.#failure || this.#results.length === 0) return;
    this.#writing = this.#record(this.#take(), false)
      .catch((error: unknown) => void (this.#failure = error))
      .finally(() => {
        this.#writing = undefined;
        if (this.#isDue(1)) this.#write();
        else if (this.#results.length > 0) this.#timer ??= setTimeout(() => this.#write(), LONGEST_MS);
      });
  }

  #take(): LineResult[] {
    const results = this.#results;
    this.#results = [];
    this.#characters = 0;
    return results;
  }
}
