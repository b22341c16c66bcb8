/** The parts of a tokenizer.json that are changed or read here. */
interface TokenizerFile {
  readonly model: { readonly vocab: Readonly<Record<string, number>> };
}

/** How a byte-level tokenizer writes a space. */
const SPACE = 'Ġ';
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const FILLER_LETTERS = 4;

/**
 * A tokenizer with a larger vocabulary: made-up words behind the ones it has. Nothing is ever encoded to them, but a model
 * with random weights generates them.
 */
export function extendTokenizer<T extends TokenizerFile>(tokenizer: T, size: number): T {
  const vocab: Record<string, number> = { ...tokenizer.model.vocab };
  let next = Object.keys(vocab).length;
  for (let i = 0; next < size; i++) {
    const word = SPACE + fillerWord(i);
    if (!(word in vocab)) vocab[word] = next++;
  }
  return { ...tokenizer, model: { ...tokenizer.model, vocab } };
}

function fillerWord(number: number): string {
  let word = '';
  for (let i = 0, rest = number; i < FILLER_LETTERS; i++, rest = Math.floor(rest / LETTERS.length)) {
    word = LETTERS.charAt(rest % LETTERS.length) + word;
  }
  return word;
}

/** A word that a tokenizer encodes to one token when a space stands before it. */
export interface Word {
  readonly text: string;
  readonly token: number;
}

/**
 * The words among a byte-level tokenizer's first tokens. The ones it learned come first, in the order in which it learned
 * them; made-up ones behind them, which nothing is encoded to, are left out with `limit`.
 */
export function wordsOf({ model: { vocab } }: TokenizerFile, limit: number): Word[] {
  return Object.entries(vocab)
    .filter(([text, token]) => token < limit && /^Ġ[a-z]{3,}$/.test(text))
    .map(([text, token]) => ({ text: ` ${text.slice(SPACE.length)}`, token }))
    .toSorted((a, b) => a.token - b.token);
}
