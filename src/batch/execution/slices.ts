import { setImmediate as nextTurn } from 'node:timers/promises';
import { SLICE_MS } from './execution.constants.js';

/** Cuts long work into slices, between which the thread does what else there is. */
export class Slices {
  #began = performance.now();

  /** Whether it is time for the others. */
  get isOver(): boolean {
    return performance.now() - this.#began > SLICE_MS;
  }

  /** Lets the others do something. */
  async yield(): Promise<void> {
    await nextTurn();
    this.#began = performance.now();
  }
}
