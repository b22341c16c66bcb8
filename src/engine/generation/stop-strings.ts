export interface StopScan {
  /** Text that is certainly not part of a stop string. */
  readonly text: string;
  /** A stop string was completed; the generation ends and nothing may be pushed any more. */
  readonly stopped: boolean;
}

/**
 * Finds stop strings in a text that comes in pieces. A tail that may still become a stop string is held back, so that
 * what was sent never has to be taken back.
 */
export class StopStringScanner {
  readonly #stops: readonly string[];
  readonly #longest: number;
  #held = '';

  constructor(stops: readonly string[] = []) {
    this.#stops = stops;
    this.#longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  push(piece: string): StopScan {
    if (this.#longest === 0) return { text: piece, stopped: false };
    const text = this.#held + piece;
    const found = this.#firstEndedStop(text);
    if (found !== undefined) {
      this.#held = '';
      return { text: text.slice(0, found), stopped: true };
    }
    const keep = this.#heldLength(text);
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep), stopped: false };
  }

  /** The held back text, when no more will come. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  /** Where the stop string begins that is complete first (of those that end together, the longest); undefined if none is. */
  #firstEndedStop(text: string): number | undefined {
    let end = Infinity;
    let begin: number | undefined;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const itsEnd = at + stop.length;
      if (itsEnd < end || (itsEnd === end && at < (begin as number))) {
        end = itsEnd;
        begin = at;
      }
    }
    return begin;
  }

  /** Length of the longest end of `text` that begins a stop string. */
  #heldLength(text: string): number {
    for (let length = Math.min(this.#longest - 1, text.length); length > 0; length--) {
      const tail = text.slice(text.length - length);
      if (this.#stops.some((stop) => stop.length > length && stop.startsWith(tail))) return length;
    }
    return 0;
  }
}
