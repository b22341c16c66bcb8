import type { Automaton, State } from './automaton.js';
import type { Range } from './pattern.js';

/** What a token adds to the text; undefined: nothing that may come in a constrained text. */
export type TokenBytes = Uint8Array | undefined;

/**
 * Positions that are looked at for one mask. Where a grammar leaves so much open, only tokens of one byte are still looked at: texts
 * stay as valid, but take more tokens. It is counted so that the mask of a state is always the same.
 */
const MOST_WORK = 4_000_000;

/**
 * The tokens of a model as a tree of bytes, in depth-first order: which of them may come next is found by walking it beside the
 * automaton, and what no token can go on from is passed over as a whole.
 */
export class TokenTrie {
  /** Of the model, its logits: at least one per token. */
  readonly size: number;
  /** Bytes that are tokens by themselves. */
  readonly writable: readonly Range[];
  /** Of each token, one behind the other, and where they end. */
  readonly #text: Uint8Array;
  readonly #textEnds: Int32Array;
  /** Of each node: its byte, its depth (from 0), the first node behind what is below it, and where its tokens end. */
  readonly #bytes: Uint8Array;
  readonly #depths: Uint16Array;
  readonly #behind: Int32Array;
  readonly #tokenEnds: Int32Array;
  readonly #sorted: Int32Array;
  readonly #deepest: number;

  constructor(tokens: readonly TokenBytes[], size: number) {
    this.size = size;
    this.#textEnds = new Int32Array(size);
    let length = 0;
    for (let token = 0; token < size; token++) this.#textEnds[token] = length += tokens[token]?.length ?? 0;
    this.#text = new Uint8Array(length);
    for (let token = 0; token < size; token++) {
      const bytes = tokens[token];
      if (bytes) this.#text.set(bytes, (this.#textEnds[token] as number) - bytes.length);
    }
    this.writable = tokens
      .slice(0, size)
      .flatMap((bytes): Range[] => (bytes?.length === 1 ? [[bytes[0] as number, bytes[0] as number]] : []));
    const entries = sortByBytes(tokens.slice(0, size));
    const total = countNodes(entries);
    this.#bytes = new Uint8Array(total);
    this.#depths = new Uint16Array(total);
    this.#behind = new Int32Array(total);
    this.#tokenEnds = new Int32Array(total);
    this.#sorted = Int32Array.from(entries, ({ token }) => token);
    this.#deepest = entries.reduce((most, { key }) => Math.max(most, key.length), 0);
    this.#fill(entries);
  }

  /** Empty for a token that adds nothing. */
  bytesOf(token: number): Uint8Array {
    return this.#text.subarray(token === 0 ? 0 : this.#textEnds[token - 1], this.#textEnds[token]);
  }

  /** @returns a bit for each token, in 32-bit words, 1 if it may come behind a text in this state */
  allowed(automaton: Automaton, state: State): Int32Array {
    const mask = new Int32Array(Math.ceil(this.size / 32));
    const { classOf } = automaton;
    const states: State[] = Array.from({ length: this.#deepest + 1 }, () => state);
    let work = 0;
    for (let node = 0; node < this.#bytes.length;) {
      const depth = this.#depths[node] as number;
      const byteClass = classOf[this.#bytes[node] as number] as number;
      const from = states[depth] as State;
      work += from.positions.length;
      const isPassedOver = depth > 0 && work > MOST_WORK;
      const next = isPassedOver ? null : from.next[byteClass];
      const reached = next === undefined ? automaton.step(from, byteClass) : next;
      if (!reached) {
        node = this.#behind[node] as number;
        continue;
      }
      states[depth + 1] = reached;
      const end = this.#tokenEnds[node] as number;
      for (let i = node === 0 ? 0 : (this.#tokenEnds[node - 1] as number); i < end; i++) {
        const token = this.#sorted[i] as number;
        mask[token >>> 5] = (mask[token >>> 5] as number) | (1 << (token & 31));
      }
      node++;
    }
    return mask;
  }

  #fill(entries: readonly Entry[]): void {
    const path: number[] = [];
    let count = 0;
    let previous = '';
    entries.forEach(({ key }, i) => {
      const common = commonLength(previous, key);
      for (const node of path.splice(common)) this.#behind[node] = count;
      for (let depth = common; depth < key.length; depth++) {
        this.#bytes[count] = key.charCodeAt(depth);
        this.#depths[count] = depth;
        this.#tokenEnds[count] = i;
        path.push(count++);
      }
      this.#tokenEnds[count - 1] = i + 1;
      previous = key;
    });
    for (const node of path) this.#behind[node] = count;
  }
}

interface Entry {
  readonly token: number;
  /** One UTF-16 code unit per byte: strings compare fast. */
  readonly key: string;
}

function sortByBytes(tokens: readonly TokenBytes[]): Entry[] {
  return tokens
    .flatMap((bytes, token) =>
      bytes && bytes.length > 0 ? [{ token, key: Buffer.from(bytes).toString('latin1') }] : [],
    )
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.token - b.token));
}

function countNodes(entries: readonly Entry[]): number {
  let previous = '';
  return entries.reduce((count, { key }) => {
    const added = key.length - commonLength(previous, key);
    previous = key;
    return count + added;
  }, 0);
}

function commonLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}
