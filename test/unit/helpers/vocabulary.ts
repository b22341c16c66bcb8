import type { TokenConstraint } from '../../../src/engine/constraints/token-constraint.js';

const PIECES = [
  '{"|":|": "|", "|"}|"]|},{|}}|]]|[[|: |, |  |":null|a|ab|abc| a|é|éa|\u{1F600}|xyy|z"|@a|.b|q"|0a',
  String.raw`\"|\u00|\ud83d|\|\n|true|tr|null|12|0.|.5|-|e|2024|-01|00|T12:|Z"|</s>`,
].flatMap((line) => line.split('|'));
/** Parts of characters, and what is no UTF-8 at all. */
const SPLIT = [
  [0xc3],
  [0xa9, 0x22],
  [0xf0, 0x9f],
  [0x98, 0x80],
  [0x98, 0x81, 0x22, 0x7d],
  [0xff],
  [0xc3, 0xa9, 0xf0],
];

/** Every byte, and tokens of several; the last one ends a text, though it has bytes. */
export const VOCABULARY: readonly Uint8Array[] = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...SPLIT.map((bytes) => Uint8Array.from(bytes)),
  ...PIECES.map((text) => Buffer.from(text)),
];
export const STOP = VOCABULARY.length - 1;

export interface Walk {
  readonly text: string;
  /** In so many tokens it came to an end. */
  readonly ended: boolean;
}

/**
 * Takes tokens at random, of those that may come.
 * @param choose one of so many ways
 * @throws Error where none may come
 */
export function walk(constraint: TokenConstraint, choose: (ways: number) => number, most: number): Walk {
  const bytes: number[] = [];
  const end = (ended: boolean): Walk => ({ text: Buffer.from(bytes).toString(), ended });
  for (let count = 0; count < most; count++) {
    if (constraint.ended) return end(true);
    const logits = new Float32Array(VOCABULARY.length);
    constraint.restrict(logits, [STOP]);
    const ways = [...logits.keys()].filter((token) => logits[token] === 0);
    if (ways.length === 0) throw new Error(`no token may come behind ${end(false).text}`);
    if (ways.includes(STOP) && choose(4) === 0) return end(true);
    const closing = ways.filter((token) => /^["}\],]/.test(Buffer.from(VOCABULARY[token]!).toString()));
    const among = (closing.length > 0 && choose(3) === 0 ? closing : ways).filter((token) => token !== STOP);
    const token = among[choose(among.length)]!;
    constraint.accept(token);
    bytes.push(...VOCABULARY[token]!);
  }
  return end(false);
}
