/**
 * A set of integers in [0, capacity) that always knows its lowest and its highest member.
 *
 * A tree of 32-bit words: a bit of one level says whether a word of the level below has any bit set. Every operation
 * touches at most log32(capacity) words, three for 32,768 positions.
 */
export class PositionSet {
  /** From the members' own bits up to a single word. */
  readonly #levels: Int32Array[] = [];
  #size = 0;

  /** @param capacity at least 1; the set starts empty */
  constructor(capacity: number) {
    let words = capacity;
    do {
      words = Math.ceil(words / 32);
      this.#levels.push(new Int32Array(words));
    } while (words > 1);
  }

  /** How many members there are. */
  get size(): number {
    return this.#size;
  }

  has(position: number): boolean {
    const words = this.#levels[0] as Int32Array;
    return ((words[position >>> 5] as number) & (1 << (position & 31))) !== 0;
  }

  add(position: number): void {
    if (this.has(position)) return;
    this.#size += 1;
    let at = position;
    for (const words of this.#levels) {
      const word = words[at >>> 5] as number;
      words[at >>> 5] = word | (1 << (at & 31));
      // the levels above know of this word already
      if (word !== 0) return;
      at >>>= 5;
    }
  }

  delete(position: number): void {
    if (!this.has(position)) return;
    this.#size -= 1;
    let at = position;
    for (const words of this.#levels) {
      const word = (words[at >>> 5] as number) & ~(1 << (at & 31));
      words[at >>> 5] = word;
      if (word !== 0) return;
      at >>>= 5;
    }
  }

  /** The lowest member, -1 if there is none. */
  lowest(): number {
    if (this.#size === 0) return -1;
    let at = 0;
    for (let level = this.#levels.length - 1; level >= 0; level--) {
      const word = (this.#levels[level] as Int32Array)[at] as number;
      at = at * 32 + 31 - Math.clz32(word & -word);
    }
    return at;
  }

  /** The highest member, -1 if there is none. */
  highest(): number {
    if (this.#size === 0) return -1;
    let at = 0;
    for (let level = this.#levels.length - 1; level >= 0; level--) {
      const word = (this.#levels[level] as Int32Array)[at] as number;
      at = at * 32 + 31 - Math.clz32(word);
    }
    return at;
  }
}
