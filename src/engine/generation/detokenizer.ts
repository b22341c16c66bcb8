/** Decodes token ids to text, special tokens left out. */
export type Decode = (tokens: number[]) => string;

const REPLACEMENT = '\uFFFD';
/** A character has at most 4 bytes, and a byte is at least a token: more pending tokens hold an invalid sequence, not an unfinished one. */
const MOST_PENDING = 8;
/** Tokens of context: decoders look at a token's neighbours (leading spaces, byte runs), never far. */
const CONTEXT = 6;
/** How many more tokens of context a character's beginning may need: a window must not start inside a character. */
const CHARACTER = 4;
/** A window this long has no character boundary to cut at: it holds invalid bytes, which any cut leaves as they are. */
const LONGEST_WINDOW = 64;

/**
 * Turns tokens into text as they come, whole characters only. A decoder's text for one token depends on its neighbours,
 * so a window is decoded with and without the new tokens and the difference is the new text (the way of
 * text-generation-inference and vLLM); while it ends in an unfinished character nothing is given out.
 */
export class IncrementalDetokenizer {
  readonly #decode: Decode;
  /** Settled context, then the tokens whose text isn't settled. */
  #window: number[];
  /** How many tokens at the window's start are context. */
  #settled: number;
  #settledText: string;

  /** @param prompt tokens before the first generated one; they give context and no text */
  constructor(decode: Decode, prompt: readonly number[]) {
    this.#decode = decode;
    const candidates = Array.from({ length: CHARACTER }, (_, i) => prompt.slice(-(CONTEXT + i)));
    const whole = candidates.find((window) => !decode(window).startsWith(REPLACEMENT));
    this.#window = whole ?? prompt.slice(-CONTEXT);
    this.#settled = this.#window.length;
    this.#settledText = decode(this.#window);
  }

  /** @returns the text that this token settled, often empty */
  push(token: number): string {
    this.#window.push(token);
    const text = this.#decode(this.#window);
    const pending = this.#window.length - this.#settled;
    if (text.endsWith(REPLACEMENT) && pending <= MOST_PENDING) return '';
    const piece = this.#beyondSettled(text);
    this.#settle(text);
    return piece;
  }

  /** The text still pending when no more tokens come, without the character that was left unfinished. */
  flush(): string {
    if (this.#window.length === this.#settled) return '';
    const text = this.#decode(this.#window);
    const piece = this.#beyondSettled(text);
    this.#settle(text);
    return piece.replace(/\uFFFD+$/, '');
  }

  #beyondSettled(text: string): string {
    return text.slice(this.#settledText.length);
  }

  #settle(text: string): void {
    this.#settledText = text;
    if (this.#window.length > 2 * CONTEXT) this.#trim();
    this.#settled = this.#window.length;
  }

  /** Drops the oldest context, at a character boundary, so that a push costs the same however long the text is. */
  #trim(): void {
    const surplus = this.#window.length - CONTEXT;
    for (let cut = surplus; cut > 0 && cut > surplus - CHARACTER; cut--) {
      const window = this.#window.slice(cut);
      const text = this.#decode(window);
      const forced = cut === surplus && this.#window.length > LONGEST_WINDOW;
      if (forced || (!text.startsWith(REPLACEMENT) && this.#settledText.endsWith(text))) {
        this.#window = window;
        this.#settledText = text;
        this.#settled = window.length;
        return;
      }
    }
  }
}
