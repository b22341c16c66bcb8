import type { Tenant } from './block-pool.js';

/** A running row, as the index sees it: whose blocks can be copied from. */
export interface PrefixHolder {
  /** Physical positions in logical order. */
  readonly blocks: readonly number[];
}

/**
 * One full block of tokens behind the chain of blocks above it: what its keys and values depend on, exactly.
 *
 * A node is *held* while rows run whose tokens start with its chain; its content is then found in one of them, its
 * `owner`. Otherwise it is *cached*: its content is in a block of its own at `position`. Whoever holds a node holds its
 * ancestors, so everything below a cached node is cached.
 */
export class PrefixNode implements Tenant {
  readonly parent: PrefixNode | undefined;
  /** The block's tokens, as {@link PrefixIndex} spells them. */
  readonly key: string;
  readonly children = new Map<string, PrefixNode>();
  /** How many running rows hold the node. */
  holders = 0;
  owner: PrefixHolder | undefined;
  /** -1 unless cached. */
  position = -1;
  /** Neighbours in the order of last use, while cached. */
  older: PrefixNode = this;
  newer: PrefixNode = this;

  constructor(parent: PrefixNode | undefined, key: string) {
    this.parent = parent;
    this.key = key;
  }

  hasContent(): boolean {
    return true;
  }

  moved(_place: number, position: number): void {
    this.position = position;
  }
}

/**
 * All prefixes that can be found, as a tree of blocks, and the order in which cached ones are given up.
 *
 * Blocks are looked up by their tokens themselves, never by a hash alone: a collision would put another prompt's keys and
 * values into a row.
 */
export class PrefixIndex {
  readonly #blockTokens: number;
  /** The empty prefix; also where the ring of cached nodes begins and ends. */
  readonly #root = new PrefixNode(undefined, '');
  /** One key's characters, two per token. */
  readonly #units: Uint16Array;
  #cached = 0;

  /** @param blockTokens tokens per block */
  constructor(blockTokens: number) {
    this.#blockTokens = blockTokens;
    this.#units = new Uint16Array(2 * blockTokens);
  }

  /** How many nodes are cached: how many blocks could be had by evicting. */
  get cached(): number {
    return this.#cached;
  }

  /** The nodes of the longest known prefix of `tokens` that has at most `limit` blocks, from the first block on. */
  match(tokens: readonly number[], limit: number): PrefixNode[] {
    const chain: PrefixNode[] = [];
    let node = this.#root;
    while (chain.length < limit) {
      const next = node.children.get(this.#key(tokens, chain.length * this.#blockTokens));
      if (next === undefined) break;
      chain.push(next);
      node = next;
    }
    return chain;
  }

  /**
   * The node of one block of tokens behind `parent`, made if there is none. It has to be held right away.
   * @param parent undefined for a first block
   */
  child(parent: PrefixNode | undefined, tokens: readonly number[]): PrefixNode {
    const above = parent ?? this.#root;
    const key = this.#key(tokens, 0);
    let node = above.children.get(key);
    if (node === undefined) {
      node = new PrefixNode(above, key);
      above.children.set(key, node);
    }
    return node;
  }

  /**
   * Counts one more row that holds `node`, which is in its `blocks` from now on.
   * @returns the position at which the node was cached, which is the caller's now; -1 if it was not
   */
  hold(node: PrefixNode, holder: PrefixHolder): number {
    const { position } = node;
    if (position >= 0) this.#unlink(node);
    node.holders += 1;
    node.owner ??= holder;
    return position;
  }

  /**
   * The last row that held `node` leaves it behind at `position`, the most recently used of all.
   *
   * Called from the last block of a row to its first, this keeps every node more recently used than what is below it: the
   * least recently used one of all is always a leaf.
   */
  keep(node: PrefixNode, position: number): void {
    const newest = this.#root.older;
    node.holders = 0;
    node.owner = undefined;
    node.position = position;
    node.older = newest;
    node.newer = this.#root;
    newest.newer = node;
    this.#root.older = node;
    this.#cached += 1;
  }

  /**
   * Forgets the least recently used cached node; only where `cached` is not 0.
   * @returns the position of its block
   */
  evict(): number {
    const node = this.#root.newer;
    const { position } = node;
    this.#unlink(node);
    node.parent?.children.delete(node.key);
    return position;
  }

  #unlink(node: PrefixNode): void {
    node.older.newer = node.newer;
    node.newer.older = node.older;
    node.position = -1;
    this.#cached -= 1;
  }

  /** One block's tokens as a string, 32 bits each: a map compares strings in full. */
  #key(tokens: readonly number[], start: number): string {
    const units = this.#units;
    for (let i = 0; i < this.#blockTokens; i++) {
      const token = tokens[start + i] as number;
      units[2 * i] = token >>> 16;
      units[2 * i + 1] = token;
    }
    return Reflect.apply(String.fromCharCode, undefined, units);
  }
}
