import type { BlockStore } from '../../../src/engine/kv/kv-cache.js';

/**
 * The pool's memory, with tokens in the place of keys and values: a slot holds the whole text up to its token, since that
 * is what its keys and values depend on.
 */
export class ShadowStore implements BlockStore {
  readonly #blocks: (string | undefined)[][];
  readonly #blockTokens: number;
  copies = 0;
  swaps = 0;

  constructor(blocks: number, blockTokens: number) {
    this.#blocks = Array.from({ length: blocks }, () => []);
    this.#blockTokens = blockTokens;
  }

  get moves(): number {
    return this.copies + this.swaps;
  }

  copy(from: number, to: number): void {
    if (from === to || this.#at(from).length === 0) throw new Error(`senseless copy of ${from} to ${to}`);
    this.#blocks[to] = [...this.#at(from)];
    this.copies += 1;
  }

  swap(a: number, b: number): void {
    if (a === b || this.#at(a).length === 0 || this.#at(b).length === 0)
      throw new Error(`senseless swap of ${a} and ${b}`);
    [this.#blocks[a], this.#blocks[b]] = [this.#at(b), this.#at(a)];
    this.swaps += 1;
  }

  /** What a forward pass does: writes `tokens` from `start` on into a row's blocks. */
  write(blocks: readonly number[], tokens: readonly number[], start: number): void {
    for (let i = start; i < tokens.length; i++) {
      const block = this.#at(blocks[Math.floor(i / this.#blockTokens)] ?? -1);
      block[i % this.#blockTokens] = tokens.slice(0, i + 1).join();
    }
  }

  /** What `length` tokens' slots in a row's blocks hold. */
  read(blocks: readonly number[], length: number): (string | undefined)[] {
    return Array.from({ length }, (_, i) => {
      return this.#at(blocks[Math.floor(i / this.#blockTokens)] ?? -1)[i % this.#blockTokens];
    });
  }

  /** The text up to the end of a full block; undefined where the block isn't full. */
  fullText(position: number): string | undefined {
    return this.#at(position)[this.#blockTokens - 1];
  }

  /** Wipes a block, so that what still counts on it is found out. */
  wipe(position: number): void {
    this.#blocks[position] = [];
  }

  #at(position: number): (string | undefined)[] {
    const block = this.#blocks[position];
    if (block === undefined) throw new RangeError(`there is no block ${position}`);
    return block;
  }
}
