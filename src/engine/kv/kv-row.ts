import type { Tenant } from './block-pool.js';
import type { PrefixHolder, PrefixNode } from './prefix-index.js';

/** One sequence's part of the pool. */
export interface KvRow {
  /** Tokens whose keys and values are in the cache. */
  readonly length: number;
  /** Physical positions of its blocks in logical order, reserved ones included; kept true through every move. */
  readonly blocks: readonly number[];
  /** Whether its blocks are in the range that the next pass attends. */
  readonly active: boolean;
}

/** A row with what only the cache itself may change. */
export class Row implements KvRow, Tenant, PrefixHolder {
  length = 0;
  readonly blocks: number[] = [];
  active = false;
  /** The prefix nodes of its full blocks, all of them; empty without prefix caching. */
  readonly chain: PrefixNode[] = [];
  /** The tokens behind its full blocks; empty without prefix caching. */
  readonly tail: number[] = [];
  readonly #blockTokens: number;

  constructor(blockTokens: number) {
    this.#blockTokens = blockTokens;
  }

  hasContent(place: number): boolean {
    return place * this.#blockTokens < this.length;
  }

  moved(place: number, position: number): void {
    this.blocks[place] = position;
  }
}
