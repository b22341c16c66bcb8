export interface ReferenceRow {
  tokens: number[];
  blocks: number;
}

/**
 * What the cache has to do, said as plainly as possible and without positions: texts of whole blocks, each either cached
 * with its time of last use, or held because a running row starts with it.
 */
export class Reference {
  readonly rows = new Set<ReferenceRow>();
  /** Text of whole blocks to the time of its last use. */
  readonly cached = new Map<string, number>();
  readonly #blocks: number;
  readonly #blockTokens: number;
  readonly #prefixCaching: boolean;
  #now = 0;

  constructor(blocks: number, blockTokens: number, prefixCaching: boolean) {
    this.#blocks = blocks;
    this.#blockTokens = blockTokens;
    this.#prefixCaching = prefixCaching;
  }

  get held(): number {
    return [...this.rows].reduce((sum, { blocks }) => sum + blocks, 0);
  }

  get available(): number {
    return this.#blocks - this.held;
  }

  open(tokens: readonly number[]): ReferenceRow {
    const known = new Set([
      ...this.cached.keys(),
      ...[...this.rows].flatMap((row) => this.texts(row.tokens)),
    ]);
    const usable = this.texts(tokens.slice(0, -1));
    const unknown = usable.findIndex((text) => !known.has(text));
    const hit = Math.min(unknown < 0 ? usable.length : unknown, this.available);
    const row = { tokens: tokens.slice(0, hit * this.#blockTokens), blocks: hit };
    this.#settle(row);
    return row;
  }

  reserve(row: ReferenceRow, count: number): boolean {
    const more = Math.ceil((row.tokens.length + count) / this.#blockTokens) - row.blocks;
    if (more > this.available) return false;
    row.blocks += Math.max(more, 0);
    this.#settle(row);
    return true;
  }

  commit(row: ReferenceRow, tokens: readonly number[]): void {
    row.tokens.push(...tokens);
    this.#settle(row);
  }

  close(row: ReferenceRow): void {
    this.#now += 1;
    this.rows.delete(row);
    const held = new Set([...this.rows].flatMap(({ tokens }) => this.texts(tokens)));
    for (const text of this.texts(row.tokens)) if (!held.has(text)) this.cached.set(text, this.#now);
  }

  /** The texts up to the end of each full block; none without prefix caching. */
  texts(tokens: readonly number[]): string[] {
    const full = this.#prefixCaching ? Math.floor(tokens.length / this.#blockTokens) : 0;
    return Array.from({ length: full }, (_, i) => tokens.slice(0, (i + 1) * this.#blockTokens).join());
  }

  /** What a row holds needs no cached block besides; what is too much is evicted. */
  #settle(row: ReferenceRow): void {
    this.rows.add(row);
    for (const text of this.texts(row.tokens)) this.cached.delete(text);
    while (this.held + this.cached.size > this.#blocks) this.cached.delete(this.#leastRecentLeaf());
  }

  #leastRecentLeaf(): string {
    const texts = [...this.cached.keys()];
    const leaves = texts.filter((text) => !texts.some((other) => other.startsWith(`${text},`)));
    leaves.sort((a, b) => (this.cached.get(a) ?? 0) - (this.cached.get(b) ?? 0));
    return leaves[0] ?? '';
  }
}
