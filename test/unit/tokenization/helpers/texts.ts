import * as fc from 'fast-check';

/** What tokenizers treat specially, or differently from each other. */
const FRAGMENTS = [
  'hello world',
  ' ',
  '   ',
  '\n',
  '\r\n\n',
  '\t',
  "it's we'LL",
  '12345',
  'é',
  'e\u0301',
  'ﬁ',
  '漢字',
  '👩‍🚀',
  '\ud83d',
  '\ude80',
  '\u0000',
  '\u00a0',
  '\ufeff',
  '▁',
  '<|begin|>',
  '<|end|>',
  '<|endoftext|>',
  '<s>',
  '</s>',
  '<unk>',
  '<tool>',
  '<0x0A>',
  '...!?',
] as const;

/** Any UTF-16 at all, lone halves of surrogate pairs included, mixed with fragments that tokenizers look for. */
export function texts(maxParts: number): fc.Arbitrary<string> {
  const part = fc.oneof(
    fc.constantFrom(...FRAGMENTS),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
  );
  return fc.array(part, { maxLength: maxParts, size: 'max' }).map((parts) => parts.join(''));
}
