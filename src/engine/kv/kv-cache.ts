import { BlockPool, type BlockStore } from './block-pool.js';
import { Row, type KvRow } from './kv-row.js';
import { PrefixIndex, type PrefixNode } from './prefix-index.js';

export type { BlockStore } from './block-pool.js';
export type { KvRow } from './kv-row.js';

export interface KvCacheOptions {
  /** Physical blocks in the pool, at least 1. */
  readonly blocks: number;
  /** Tokens per block, at least 1. */
  readonly blockTokens: number;
  readonly store: BlockStore;
  /** Whether what rows leave behind is kept, until the room is needed, for later rows that start alike. */
  readonly prefixCaching: boolean;
}

/**
 * The bookkeeping of a paged KV cache: which sequence's keys and values lie in which physical blocks of the pool.
 *
 * A forward pass attends one contiguous range of the pool, [0, n), and every block in it for one row: no block is ever
 * shared. Between two passes: `reserve` what each row will write, `activate` the rows of the pass, run it, `commit` what
 * was written. Only `activate` moves blocks, so nothing written may be uncommitted when it is called. Token ids are
 * integers in [0, 2^32).
 *
 * No call costs more than the blocks of the rows that it changes: none ever walks the pool.
 */
export class KvCache {
  /** Physical blocks in the pool. */
  readonly capacity: number;
  readonly #blockTokens: number;
  readonly #store: BlockStore;
  readonly #pool: BlockPool;
  readonly #index: PrefixIndex | undefined;
  readonly #rows = new Set<Row>();
  #active: ReadonlySet<Row> = new Set();
  #limit: number;

  /** @throws RangeError if `blocks` or `blockTokens` is not a positive integer */
  constructor({ blocks, blockTokens, store, prefixCaching }: KvCacheOptions) {
    for (const [name, value] of Object.entries({ blocks, blockTokens })) {
      if (!Number.isInteger(value) || value < 1)
        throw new RangeError(`${name} is ${value}, not a positive integer`);
    }
    this.capacity = blocks;
    this.#limit = blocks;
    this.#blockTokens = blockTokens;
    this.#store = store;
    this.#pool = new BlockPool(blocks, store);
    this.#index = prefixCaching ? new PrefixIndex(blockTokens) : undefined;
  }

  /** Blocks that belong to rows, reserved ones included. */
  get held(): number {
    return this.capacity - this.free - this.cached;
  }

  /** Blocks of finished rows that are kept as prefixes; any of them can be evicted. */
  get cached(): number {
    return this.#index?.cached ?? 0;
  }

  /** Blocks that hold nothing. */
  get free(): number {
    return this.#pool.free;
  }

  /**
   * Blocks that rows can have: free or evictable. A prompt of n tokens can be admitted if and only if this is at least
   * `blocksFor(n)`, whatever of it is cached: `open` and `reserve` take from here exactly what the row gets.
   */
  get available(): number {
    return Math.max(0, Math.min(this.free + this.cached, this.#limit - this.held));
  }

  /**
   * From now on at most so many blocks are used, of rows and prefixes together: the upper end of the pool isn't touched, as far as it
   * isn't yet. Prefixes beyond are dropped; rows keep what they hold.
   */
  limitTo(blocks: number): void {
    this.#limit = Math.max(1, Math.min(blocks, this.capacity));
    this.#dropBeyondLimit();
  }

  /** Blocks that a row of that many tokens takes. */
  blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.#blockTokens);
  }

  /**
   * A new row, which starts with the longest known prefix of `tokens`: in whole blocks, and always shorter than `tokens`,
   * so that at least one token is left to run (what it starts with is its `length`). A block that a running row has is
   * copied from there; a cached one becomes the row's own as it lies, and remains to be found in it.
   *
   * Evicts least recently used cached blocks for the copies, never those it starts with. Where there is no room even so,
   * it starts with fewer blocks or none: opening never fails.
   */
  open(tokens: readonly number[]): KvRow {
    const row = new Row(this.#blockTokens);
    this.#rows.add(row);
    const index = this.#index;
    if (index === undefined) return row;

    const limit = Math.min(Math.floor((tokens.length - 1) / this.#blockTokens), this.available);
    const chain = index.match(tokens, limit);
    // all of them first: what is held can't be evicted
    const kept = chain.map((node) => index.hold(node, row));
    for (const [place, node] of chain.entries()) {
      const position = kept[place] as number;
      if (position < 0) {
        const source = node.owner?.blocks[place] as number;
        this.#store.copy(source, this.#grow(row));
      } else {
        this.#pool.assign(position, row, place);
        row.blocks.push(position);
      }
      row.chain.push(node);
    }
    row.length = chain.length * this.#blockTokens;
    return row;
  }

  /**
   * Makes room for `count` more tokens behind `row.length`, evicting least recently used cached blocks as needed.
   * @returns false, with nothing changed and nothing evicted, if that can't be had
   */
  reserve(row: KvRow, count: number): boolean {
    const own = this.#own(row);
    const blocks = this.blocksFor(own.length + count);
    if (blocks - own.blocks.length > this.available) return false;
    while (own.blocks.length < blocks) this.#grow(own);
    return true;
  }

  /**
   * The keys and values of `tokens` were written behind `row.length`. Blocks that became full can be found as prefixes
   * from now on, also while the row runs.
   * @throws RangeError if no room was reserved for them
   */
  commit(row: KvRow, tokens: readonly number[]): void {
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
   * The row ends or is parked, and can't be used any more. With prefix caching its full blocks stay behind, the most
   * recently used of all, except those that another running row has as well: they are found there. The rest is freed.
   *
   * To go on with a parked row, open a new one with all its tokens.
   */
  close(row: KvRow): void {
    const own = this.#own(row);
    this.#setActive(own, false);
    this.#rows.delete(own);
    // backwards, as PrefixIndex.keep wants it
    while (own.blocks.length > 0) this.#dropLast(own);
    own.chain.length = 0;
    own.length = 0;
    this.#dropBeyondLimit();
  }

  /**
   * Makes [0, returned count) of the pool hold exactly the blocks of `rows`, with as few moves as possible. Rows that were
   * active before and are not named become inactive; their blocks stay theirs.
   * @returns how many blocks that is
   */
  activate(rows: readonly KvRow[]): number {
    const named = new Set(rows.map((row) => this.#own(row)));
    const before = this.#active;
    this.#active = named;
    for (const row of before) if (!named.has(row)) this.#setActive(row, false);
    let count = 0;
    for (const row of named) {
      this.#setActive(row, true);
      count += row.blocks.length;
    }
    this.#pool.gather();
    return count;
  }

  /** @throws Error unless the row was opened here and is not closed */
  #own(row: KvRow): Row {
    if (!(row instanceof Row) || !this.#rows.has(row)) throw new Error('the row is not open in this cache');
    return row;
  }

  #setActive(row: Row, active: boolean): void {
    if (row.active === active) return;
    row.active = active;
    for (const position of row.blocks) this.#pool.setActive(position, active);
  }

  /** Appends a block without content to the row; only where one is available. */
  #grow(row: Row): number {
    const full = this.#pool.free === 0 || this.held + this.cached >= this.#limit;
    if (full && this.#index !== undefined && this.cached > 0) this.#pool.release(this.#index.evict());
    const position = this.#pool.take(row, row.blocks.length);
    row.blocks.push(position);
    if (row.active) this.#pool.setActive(position, true);
    return position;
  }

  /** Lets the row's next full block, whose tokens are in its tail, be found. */
  #publish(row: Row, index: PrefixIndex): void {
    const node = index.child(row.chain.at(-1), row.tail);
    const duplicate = index.hold(node, row);
    if (duplicate >= 0) this.#pool.release(duplicate);
    row.chain.push(node);
    row.tail.length = 0;
  }

  #dropBeyondLimit(): void {
    while (this.#index !== undefined && this.cached > 0 && this.held + this.cached > this.#limit)
      this.#pool.release(this.#index.evict());
  }

  /** Caches or frees the last block of a row that is closed. */
  #dropLast(row: Row): void {
    const position = row.blocks.pop() as number;
    const place = row.blocks.length;
    const node = row.chain[place];
    if (node?.holders === 1) {
      this.#pool.assign(position, node, 0);
      this.#index?.keep(node, position);
      return;
    }
    this.#pool.release(position);
    if (node === undefined) return;
    node.holders -= 1;
    // who holds the next block of the chain, if anyone still does, holds this one, too
    if (node.owner === row) node.owner = row.chain[place + 1]?.owner ?? this.#anyHolder(node, place);
  }

  #anyHolder(node: PrefixNode, place: number): Row | undefined {
    for (const row of this.#rows) if (row.chain[place] === node) return row;
    return undefined;
  }
}
