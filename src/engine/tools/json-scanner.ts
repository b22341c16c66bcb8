/** Finds the end of a JSON object or array in a text that comes in pieces. What it holds need not be valid. */
export class JsonScanner {
  #depth: number;
  #inString = false;
  #escaped = false;

  /** @param depth how many brackets are open already */
  constructor(depth = 0) {
    this.#depth = depth;
  }

  /** @returns how much of the piece belongs to the value, and whether that is its end */
  push(piece: string): { readonly length: number; readonly ended: boolean } {
    for (let i = 0; i < piece.length; i++) {
      this.#take(piece.charAt(i));
      if (this.#depth === 0) return { length: i + 1, ended: true };
    }
    return { length: piece.length, ended: false };
  }

  #take(character: string): void {
    if (this.#escaped) {
      this.#escaped = false;
    } else if (this.#inString) {
      if (character === '\\') this.#escaped = true;
      else if (character === '"') this.#inString = false;
    } else if (character === '"') {
      this.#inString = true;
    } else if (character === '{' || character === '[') {
      this.#depth++;
    } else if (character === '}' || character === ']') {
      this.#depth--;
    }
  }
}
