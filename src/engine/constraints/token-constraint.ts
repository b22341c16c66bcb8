import type { Automaton, State } from './automaton.js';
import type { TokenTrie } from './token-trie.js';

export interface TokenConstraintOptions {
  readonly automaton: Automaton;
  readonly trie: TokenTrie;
  /** Tokens that never come, though they have bytes. */
  readonly hidden: readonly number[];
}

/** What holds a sequence to a grammar: it says before each token which may come, and is told which came. */
export class TokenConstraint {
  readonly #options: TokenConstraintOptions;
  #state: State;
  #ended = false;

  constructor(options: TokenConstraintOptions) {
    this.#options = options;
    this.#state = options.automaton.start;
  }

  /** The text may end here. */
  get mayEnd(): boolean {
    return this.#state.accepting;
  }

  /** The text is complete, and no token can come behind it. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * @returns those of these stop tokens that can end the text. One that is a single byte isn't among them: it may be what has to
   * come next, as a quotation mark
   */
  endings(stopTokens: ReadonlySet<number>): Set<number> {
    return new Set([...stopTokens].filter((token) => this.#options.trie.bytesOf(token).length !== 1));
  }

  /**
   * Forbids, in place, every token that may not come next.
   * @param stopTokens may come where the text may end
   */
  restrict(logits: Float32Array, stopTokens: Iterable<number>): void {
    const stops = this.mayEnd
      ? [...stopTokens].map((token) => [token, logits[token] as number] as const)
      : [];
    forbid(logits, this.#mask());
    for (const token of this.#options.hidden) logits[token] = -Infinity;
    // a stop token isn't part of the text, even if it has one
    if (!this.mayEnd) for (const token of stopTokens) logits[token] = -Infinity;
    for (const [token, logit] of stops) logits[token] = logit;
  }

  /** @throws Error for a token that may not come next */
  accept(token: number): void {
    const { automaton, trie } = this.#options;
    for (const byte of trie.bytesOf(token)) {
      const next = automaton.step(this.#state, automaton.classOf[byte] as number);
      if (!next) throw new Error(`token ${token} does not fit the grammar`);
      this.#state = next;
    }
    // the mask is needed for the next token anyway
    this.#ended = this.#mask().every((word) => word === 0);
  }

  #mask(): Int32Array {
    const { automaton, trie } = this.#options;
    return automaton.maskOf(this.#state, () => trie.allowed(automaton, this.#state));
  }
}

/** @param mask a bit per token; logits beyond it are forbidden, too */
function forbid(logits: Float32Array, mask: Int32Array): void {
  for (let word = 0; word < mask.length; word++) {
    const bits = mask[word] as number;
    if (bits === -1) continue;
    const start = word * 32;
    const end = Math.min(start + 32, logits.length);
    if (bits === 0) {
      logits.fill(-Infinity, start, end);
      continue;
    }
    for (let token = start; token < end; token++) {
      if (((bits >>> (token - start)) & 1) === 0) logits[token] = -Infinity;
    }
  }
  logits.fill(-Infinity, Math.min(mask.length * 32, logits.length));
}
