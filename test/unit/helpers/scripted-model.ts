import type { CausalModel, ForwardRow } from '../../../src/engine/models/causal-model.js';

/** What a scripted sequence holds: simply its tokens. */
export class TokenCache {
  readonly tokens: number[] = [];
  blocks = 0;
  open = true;

  get length(): number {
    return this.tokens.length;
  }
}

type Row = ForwardRow<TokenCache>;

export interface Script {
  /** The next token behind these; default: a function of all of them, so that a lost or doubled token shows. */
  readonly next?: (context: readonly number[]) => number;
  /** Runs in every pass, before its result is known: a test adds, cancels or throws here. */
  readonly during?: (rows: readonly Row[], number: number) => void | Promise<void>;
  /** Default: more than any test needs. */
  readonly blocks?: number;
  readonly blockTokens?: number;
  /** Whether what a sequence leaves behind serves later ones. */
  readonly prefixCaching?: boolean;
}

/** A model whose answers are scripted, and which remembers what it was asked, and what it had to refuse. */
export class ScriptedModel implements CausalModel<TokenCache> {
  readonly vocabSize = 64;
  readonly blockTokens: number;
  readonly blocks: number;
  /** The rows of all passes, in order. */
  readonly calls: Row[] = [];
  /** How many rows each pass had. */
  readonly widths: number[] = [];
  /** What was asked of it that a real one could not do. */
  readonly refusals: string[] = [];
  /** Caches that were opened and not closed. */
  readonly opened = new Set<TokenCache>();
  readonly #script: Script;
  readonly #left: (readonly number[])[] = [];
  #inPass = false;
  #limit = Infinity;

  constructor(script: Script = {}) {
    this.#script = script;
    this.blockTokens = script.blockTokens ?? 4;
    this.blocks = script.blocks ?? 100_000;
  }

  get availableBlocks(): number {
    let held = 0;
    for (const { blocks } of this.opened) held += blocks;
    return Math.max(0, Math.min(this.blocks, this.#limit) - held);
  }

  limitBlocks(blocks: number): void {
    this.#limit = blocks;
  }

  open(tokens: readonly number[]): TokenCache {
    const cache = new TokenCache();
    this.opened.add(cache);
    const most = Math.min(Math.floor((tokens.length - 1) / this.blockTokens), this.availableBlocks);
    cache.blocks = Math.min(most, Math.max(0, ...this.#left.map((each) => this.#sharedBlocks(each, tokens))));
    cache.tokens.push(...tokens.slice(0, cache.blocks * this.blockTokens));
    return cache;
  }

  heldBlocks({ blocks }: TokenCache): number {
    return blocks;
  }

  reserve(cache: TokenCache, count: number): boolean {
    this.#checkOpen(cache);
    if (this.#inPass) this.#refuse('room was reserved while a pass ran');
    const more = Math.ceil((cache.length + count) / this.blockTokens) - cache.blocks;
    if (more > 0 && more > this.availableBlocks) return false;
    cache.blocks += Math.max(0, more);
    return true;
  }

  /** As the in-place model has them: a prompt by itself, all that decode together. */
  passes<R extends Row>(rows: readonly R[]): R[][] {
    const decode = rows.filter(({ cache, tokens }) => cache.length > 0 && tokens.length === 1);
    const prompts = rows.filter((row) => !decode.includes(row));
    return [...prompts.map((row) => [row]), ...(decode.length > 0 ? [decode] : [])];
  }

  async forward(rows: readonly Row[]): Promise<Float32Array[]> {
    this.#check(rows);
    this.calls.push(...rows);
    this.widths.push(rows.length);
    this.#inPass = true;
    try {
      await this.#script.during?.(rows, this.widths.length);
    } finally {
      this.#inPass = false;
    }
    return rows.map(({ cache, tokens }) => {
      this.#checkOpen(cache);
      cache.tokens.push(...tokens);
      const logits = new Float32Array(this.vocabSize);
      logits[(this.#script.next ?? hashOf)(cache.tokens)] = 10;
      return logits;
    });
  }

  close(cache: TokenCache): void {
    this.#checkOpen(cache);
    cache.open = false;
    this.opened.delete(cache);
    if (this.#script.prefixCaching) this.#left.push(cache.tokens);
  }

  #check(rows: readonly Row[]): void {
    if (this.#inPass) this.#refuse('two passes at once');
    if (rows.length === 0 || new Set(rows.map(({ cache }) => cache)).size < rows.length) {
      this.#refuse('a pass needs rows, each with a cache of its own');
    }
    for (const { cache, tokens } of rows) {
      this.#checkOpen(cache);
      const room = cache.blocks * this.blockTokens;
      if (tokens.length === 0 || cache.length + tokens.length > room) this.#refuse('no room was reserved');
    }
  }

  #checkOpen({ open }: TokenCache): void {
    if (!open) this.#refuse('the cache is closed');
  }

  #refuse(why: string): never {
    this.refusals.push(why);
    throw new Error(why);
  }

  #sharedBlocks(a: readonly number[], b: readonly number[]): number {
    let length = 0;
    while (length < a.length && a[length] === b[length]) length++;
    return Math.floor(length / this.blockTokens);
  }
}

function hashOf(context: readonly number[]): number {
  let hash = 7;
  for (const token of context) hash = (hash * 31 + token + 1) % 1009;
  return hash % 64;
}

/** Tokens 0, 1, 2, ... are the letters from `A`; enough for tests that look at text. */
export function decodeLetters(tokens: readonly number[]): string {
  return String.fromCodePoint(...tokens.map((token) => 65 + token));
}

export function encodeLetters(text: string): number[] {
  return Array.from(text, (letter) => (letter.codePointAt(0) as number) - 65);
}
