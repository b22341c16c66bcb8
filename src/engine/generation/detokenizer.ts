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
    if (!text.endsWith(REPLACEMENT)) return this.#settle(text, 0);
    const pending = this.#window.length - this.#settled;
    return pending <= MOST_PENDING ? '' : this.#settleInvalid(text);
  }

  /** The text still pending when no more tokens come, without the character that was left unfinished. */
  flush(): string {
    if (this.#window.length === this.#settled) return '';
    return this.#settle(this.#decode(this.#window), 0).replace(/\uFFFD+$/, '');
  }

  /** Gives out invalid bytes, but not what may be the beginning of a character behind them. */
  #settleInvalid(text: string): string {
    for (let pending = CHARACTER - 1; pending > 0; pending--) {
      const before = this.#decode(this.#window.slice(0, -pending));
      if (text.startsWith(before)) return this.#settle(before, pending);
    }
    return this.#settle(text, 0);
  }

  /** @param pending how many tokens at the window's end `text` leaves out */
  #settle(text: string, pending: number): string {
    const piece = this.#beyondSettled(text);
    const tail = this.#window.splice(this.#window.length - pending);
    this.#settledText = text;
    if (this.#window.length > 2 * CONTEXT) this.#trim();
    this.#settled = this.#window.length;
    this.#window.push(...tail);
    return piece;
  }

  /** A character that was unfinished when its beginning was settled (as a prompt's end is) is given out whole. */
  #beyondSettled(text: string): string {
    const settled = this.#settledText;
    return text.slice(text.startsWith(settled) ? settled.length : settled.replace(/\uFFFD$/, '').length);
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
