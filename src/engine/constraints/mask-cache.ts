import type { State } from './automaton.js';

/** Which tokens may come in a state, kept for the states that were asked for last. */
export class MaskCache {
  readonly #most: number;
  readonly #masks = new Map<State, Int32Array>();

  /** @param most how many masks to keep */
  constructor(most: number) {
    this.#most = most;
  }

  of(state: State, compute: () => Int32Array): Int32Array {
    const mask = this.#masks.get(state) ?? compute();
    this.#masks.delete(state); // to the end of the order
    this.#masks.set(state, mask);
    if (this.#masks.size > this.#most) {
      const [oldest] = this.#masks.keys();
      if (oldest) this.#masks.delete(oldest);
    }
    return mask;
  }
}
