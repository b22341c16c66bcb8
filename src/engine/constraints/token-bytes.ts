import type { TokenBytes } from './token-trie.js';

type Json = Readonly<Record<string, unknown>>;

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

/** How the pieces of a vocabulary are written. */
type Notation =
  /** Of GPT-2: a printable character for each byte. */
  | 'byte-level'
  /** Of SentencePiece: U+2581 for a space, `<0x0A>` for a byte that no piece has. */
  | 'sentencepiece';

const SPACE_MARK = '\u2581';

/**
 * The bytes that each token adds to a text.
 * @param tokenizer tokenizer.json
 * @param visible special tokens that count as text; others have no bytes
 * @returns undefined for a kind of tokenizer whose tokens aren't a text when they are put side by side (WordPiece, ...)
 */
export function tokenBytes(tokenizer: Json, visible: readonly string[] = []): TokenBytes[] | undefined {
  const notation = notationOf(tokenizer);
  const pieces = piecesOf(tokenizer['model'] as Json | undefined);
  if (!notation || !pieces) return undefined;
  const decode = notation === 'byte-level' ? byteLevelDecoder() : sentencePieceBytes;
  const tokens: TokenBytes[] = [];
  for (const [piece, id] of pieces) tokens[id] = decode(piece);
  const added = (tokenizer['added_tokens'] ?? []) as readonly AddedToken[];
  for (const { id, content, special } of added) {
    if (special === true && !visible.includes(content)) tokens[id] = undefined;
    else tokens[id] = notation === 'byte-level' ? Buffer.from(content) : decode(content);
  }
  return Array.from(tokens);
}

function notationOf(tokenizer: Json): Notation | undefined {
  const decoders = flatten(tokenizer['decoder'], 'decoders');
  const before = flatten(tokenizer['pre_tokenizer'], 'pretokenizers');
  const has = (parts: readonly Json[], type: string): boolean => parts.some((part) => part['type'] === type);
  if (has(decoders, 'ByteLevel') || (decoders.length === 0 && has(before, 'ByteLevel'))) return 'byte-level';
  const marks = decoders.some(
    (part) => part['type'] === 'Metaspace' || (part['type'] === 'Replace' && part['content'] === ' '),
  );
  return marks || has(decoders, 'ByteFallback') ? 'sentencepiece' : undefined;
}

function flatten(part: unknown, key: string): Json[] {
  if (typeof part !== 'object' || part === null) return [];
  const inner = (part as Json)[key];
  return Array.isArray(inner) ? inner.flatMap((one) => flatten(one, key)) : [part as Json];
}

/** A vocabulary is an object (BPE) or a list of pieces with scores (Unigram). */
function piecesOf(model: Json | undefined): (readonly [string, number])[] | undefined {
  const vocabulary = model?.['vocab'];
  if (Array.isArray(vocabulary))
    return vocabulary.map((entry: [string, number], id) => [entry[0], id] as const);
  if (typeof vocabulary !== 'object' || vocabulary === null) return undefined;
  return Object.entries(vocabulary as Readonly<Record<string, number>>);
}

/** The reverse of `bytes_to_unicode` of GPT-2: printable characters of Latin-1 stand for themselves, others from U+0100 on. */
function byteLevelDecoder(): (piece: string) => TokenBytes {
  const byteOf = new Map<string, number>();
  let others = 0;
  for (let value = 0; value < 256; value++) {
    const printable = (value >= 0x21 && value <= 0x7e) || (value >= 0xa1 && value <= 0xac) || value >= 0xae;
    byteOf.set(String.fromCharCode(printable ? value : 256 + others++), value);
  }
  return (piece) => {
    const bytes = new Uint8Array(piece.length);
    for (let i = 0; i < piece.length; i++) {
      const value = byteOf.get(piece.charAt(i));
      if (value === undefined) return undefined;
      bytes[i] = value;
    }
    return bytes;
  };
}

function sentencePieceBytes(piece: string): TokenBytes {
  const value = /^<0x([0-9A-Fa-f]{2})>$/.exec(piece)?.[1];
  return value === undefined
    ? Buffer.from(piece.replaceAll(SPACE_MARK, ' '))
    : Uint8Array.of(parseInt(value, 16));
}
