import { PrefixIndex, type PrefixNode } from './prefix-index.js';

/** One sequence's part of a shared pool. */
export interface SharedRow {
  /** Tokens whose keys and values are in the cache. */
  readonly length: number;
  /** Its blocks in logical order, reserved ones included. */
  readonly blocks: readonly number[];
}

interface Row extends SharedRow {
  length: number;
  readonly blocks: number[];
  /** The prefix nodes of its full blocks; empty without prefix caching. */
  readonly chain: PrefixNode[];
  /** The tokens behind its full blocks; empty without prefix caching. */
  readonly tail: number[];
}

export interface SharedKvCacheOptions {
  /** Blocks in the pool, at least 1. */
  readonly blocks: number;
  /** Tokens per block, at least 1. */
  readonly blockTokens: number;
  /** Whether rows that begin alike share their blocks, and what rows leave behind is kept until the room is needed. */
  readonly prefixCaching: boolean;
}

/**
 * The bookkeeping of a paged KV cache whose blocks never move: rows reach theirs through a table, so a full block can be part of any
 * number of rows that begin alike. Nothing is ever copied. (`KvCache` is for a graph that wants the blocks of a pass side by side.)
 *
 * A block is free; or private to one row; or shared: content of a prefix node, held by one or more rows; or cached: of a node that
 * no row holds. Between two passes: `reserve` what each row will write, run the pass, `commit` what was written.
 */
export class SharedKvCache {
  readonly capacity: number;
  readonly #blockTokens: number;
  readonly #index: PrefixIndex | undefined;
  readonly #free: number[];
  /** Where the content of held nodes lies; that of cached ones is at the node's own `position`. */
  readonly #places = new Map<PrefixNode, number>();
  readonly #rows = new Set<SharedRow>();
  #limit: number;

  /** @throws RangeError if `blocks` or `blockTokens` is not a positive integer */
  constructor({ blocks, blockTokens, prefixCaching }: SharedKvCacheOptions) {
    for (const [name, value] of Object.entries({ blocks, blockTokens })) {
      if (!Number.isInteger(value) || value < 1)
        throw new RangeError(`${name} is ${value}, not a positive integer`);
    }
    this.capacity = blocks;
    this.#limit = blocks;
    this.#blockTokens = blockTokens;
    this.#index = prefixCaching ? new PrefixIndex(blockTokens) : undefined;
    // the lowest is given out first
    this.#free = Array.from({ length: blocks }, (_, i) => blocks - 1 - i);
  }

  /** Blocks that rows can have: free, or cached and therefore evictable. */
  get available(): number {
    const unheld = this.#free.length + this.#cached;
    return Math.max(0, Math.min(unheld, this.#limit - (this.capacity - unheld)));
  }

  /** From now on at most so many blocks are used, of rows and prefixes together. Prefixes beyond are dropped; rows keep what they hold. */
  limitTo(blocks: number): void {
    this.#limit = Math.max(1, Math.min(blocks, this.capacity));
    this.#dropBeyondLimit();
  }

  /**
   * A new row, which starts with the longest known prefix of `tokens`, in whole blocks and always shorter than `tokens`, so that at
   * least one token is left to run. Opening never fails and takes no room.
   */
  open(tokens: readonly number[]): SharedRow {
    const row: Row = { length: 0, blocks: [], chain: [], tail: [] };
    this.#rows.add(row);
    const index = this.#index;
    if (index === undefined) return row;
    for (const node of index.match(tokens, Math.floor((tokens.length - 1) / this.#blockTokens))) {
      row.chain.push(node);
      row.blocks.push(this.#hold(index, node, row));
    }
    row.length = row.chain.length * this.#blockTokens;
    return row;
  }

  /**
   * Makes room for `count` more tokens behind `row.length`, evicting least recently used cached blocks as needed.
   * @returns false, with nothing changed and nothing evicted, if that can't be had
   */
  reserve(row: SharedRow, count: number): boolean {
    const own = this.#own(row);
    const blocks = Math.ceil((own.length + count) / this.#blockTokens);
    if (blocks > own.blocks.length && blocks - own.blocks.length > this.available) return false;
    while (own.blocks.length < blocks) {
      own.blocks.push(this.#take());
    }
    return true;
  }

  /**
   * The keys and values of `tokens` were written behind `row.length`. Blocks that became full can be found as prefixes from now on.
   * @throws RangeError if no room was reserved for them
   */
  commit(row: SharedRow, tokens: readonly number[]): void {
    const own = this.#own(row);
    const length = own.length + tokens.length;
    const room = own.blocks.length * this.#blockTokens;
    if (length > room) throw new RangeError(`${length} tokens were written to a row with room for ${room}`);
    own.length = length;
    if (this.#index === undefined) return;
    for (const token of tokens) {
      own.tail.push(token);
      if (own.tail.length === this.#blockTokens) this.#publish(own, this.#index);
    }
  }

  /**
   * The row ends or is parked, and can't be used any more. Its full blocks stay behind as prefixes, the most recently used of all;
   * the rest is freed. To go on with a parked row, open a new one with all its tokens.
   */
  close(row: SharedRow): void {
    const own = this.#own(row);
    this.#rows.delete(own);
    // from the last to the first, as PrefixIndex.keep wants it
    for (let place = own.blocks.length - 1; place >= 0; place--) {
      const block = own.blocks[place] as number;
      const node = own.chain[place];
      if (node === undefined) this.#free.push(block);
      else if (node.holders > 1) node.holders -= 1;
      else {
        this.#places.delete(node);
        this.#index?.keep(node, block);
      }
    }
    own.blocks.length = 0;
    own.chain.length = 0;
    own.length = 0;
    this.#dropBeyondLimit();
  }

  get #cached(): number {
    return this.#index?.cached ?? 0;
  }

  /** Only where one is available. */
  #take(): number {
    const index = this.#index;
    const full = this.#free.length === 0 || this.#free.length <= this.capacity - this.#limit;
    if (full && index !== undefined && index.cached > 0) return index.evict();
    return this.#free.pop() as number;
  }

  #dropBeyondLimit(): void {
    while (this.#index && this.#cached > 0 && this.#free.length < this.capacity - this.#limit)
      this.#free.push(this.#index.evict());
  }

  /** Counts one more row that holds the node. @returns where its content lies */
  #hold(index: PrefixIndex, node: PrefixNode, row: Row): number {
    const cached = index.hold(node, row);
    if (cached >= 0) this.#places.set(node, cached);
    return this.#places.get(node) as number;
  }

  /** Lets the row's next full block be found; where another row or the cache has the same one, it takes that instead. */
  #publish(row: Row, index: PrefixIndex): void {
    const place = row.chain.length;
    const own = row.blocks[place] as number;
    const node = index.child(row.chain.at(-1), row.tail);
    if (node.holders === 0 && node.position < 0) this.#places.set(node, own);
    const block = this.#hold(index, node, row);
    if (block !== own) {
      row.blocks[place] = block;
      this.#free.push(own);
    }
    row.chain.push(node);
    row.tail.length = 0;
  }

  /** @throws Error unless the row was opened here and is not closed */
  #own(row: SharedRow): Row {
    if (!this.#rows.has(row)) throw new Error('the row is not open in this cache');
    return row as Row;
  }
}
