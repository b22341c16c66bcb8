import type { EncoderRow } from './encoder-model.js';

/** Special tokens around a text and, if there are two, between them. */
export interface InputFrame {
  readonly before: readonly number[];
  readonly between: readonly number[];
  readonly after: readonly number[];
}

export interface InputFrames {
  readonly single: InputFrame;
  /** Undefined: the tokenizer can't put two texts together. */
  readonly pair: InputFrame | undefined;
}

/** Encodes as the tokenizer does. */
export type EncodeProbe = (
  text: string,
  options: { readonly pair?: string; readonly special: boolean },
) => readonly number[];

const PROBE = 'a';
const PAIR_PROBE = 'b';

/** Finds out by trying what the tokenizer puts around texts. */
export function probeFrames(encode: EncodeProbe): InputFrames {
  const first = encode(PROBE, { special: false });
  const second = encode(PAIR_PROBE, { special: false });
  const single = encode(PROBE, { special: true });
  const pair = encode(PROBE, { pair: PAIR_PROBE, special: true });
  const at = find(single, first, 0);
  const firstAt = find(pair, first, 0);
  const secondAt = firstAt < 0 ? -1 : find(pair, second, firstAt + first.length);
  return {
    single:
      at < 0
        ? { before: [], between: [], after: [] }
        : { before: single.slice(0, at), between: [], after: single.slice(at + first.length) },
    pair:
      secondAt < 0
        ? undefined
        : {
            before: pair.slice(0, firstAt),
            between: pair.slice(firstAt + first.length, secondAt),
            after: pair.slice(secondAt + second.length),
          },
  };
}

/** How many special tokens there are. */
export function frameLength({ before, between, after }: InputFrame): number {
  return before.length + between.length + after.length;
}

/** Tokens with their special ones, cut at the end of the longer text to at most `most`, special ones included. */
export function frameTokens(
  frame: InputFrame,
  texts: readonly [Int32Array] | readonly [Int32Array, Int32Array],
  most: number,
): EncoderRow {
  const [first, second = new Int32Array(0)] = texts;
  const [keepFirst, keepSecond] = shorten(first.length, second.length, most - frameLength(frame));
  const { before, between, after } = frame;
  const tokens = Int32Array.from([
    ...before,
    ...first.subarray(0, keepFirst),
    ...between,
    ...second.subarray(0, keepSecond),
    ...after,
  ]);
  const secondFrom = texts.length === 1 ? undefined : before.length + keepFirst + between.length;
  return { tokens, secondFrom };
}

/** Tokens that come with their special ones: cut in front of the last ones, if they end with those. */
export function cutTokens({ after }: InputFrame, tokens: Int32Array, most: number): Int32Array {
  if (tokens.length <= most) return tokens;
  const tail = tokens.subarray(tokens.length - after.length);
  if (after.length >= most || !after.every((token, i) => token === tail[i])) return tokens.slice(0, most);
  const cut = tokens.slice(0, most);
  cut.set(after, most - after.length);
  return cut;
}

/** From the longer one first, as `longest_first` of Hugging Face's tokenizers. */
function shorten(first: number, second: number, room: number): [number, number] {
  if (first + second <= room) return [first, second];
  const half = Math.floor(room / 2);
  if (first <= half) return [first, room - first];
  if (second <= half) return [room - second, second];
  return [room - half, half];
}

function find(tokens: readonly number[], part: readonly number[], from: number): number {
  if (part.length === 0) return -1;
  for (let at = from; at + part.length <= tokens.length; at++) {
    if (part.every((token, i) => token === tokens[at + i])) return at;
  }
  return -1;
}
