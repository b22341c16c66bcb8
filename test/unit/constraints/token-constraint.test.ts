import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConstraintCompiler } from '../../../src/engine/constraints/constraint-compiler.js';
import { tokenBytes } from '../../../src/engine/constraints/token-bytes.js';
import { TokenTrie } from '../../../src/engine/constraints/token-trie.js';
import { automatonOfSchema, stateBehind } from '../helpers/grammars.js';

const SIZE = 70;
const STOP = 65;
const shortText = fc.string({
  unit: fc.constantFrom('{', '}', '[', ']', '"', ',', ':', 'a', '1'),
  maxLength: 4,
});
const pieces = fc.array(fc.option(shortText, { nil: undefined }), { maxLength: 64 });

describe('the tokens that may come', () => {
  it('are those whose bytes the grammar goes on with', () => {
    const automaton = automatonOfSchema({ type: 'array', items: { type: ['string', 'integer'] } });
    fc.assert(
      fc.property(pieces, fc.constantFrom('', '[', '["a', '[1', '["a"', '[]'), (texts, before) => {
        const tokens = texts.map((text) => (text === undefined ? undefined : Buffer.from(text)));
        const mask = new TokenTrie(tokens, SIZE).allowed(automaton, stateBehind(automaton, before)!);
        for (let token = 0; token < SIZE; token++) {
          const text = texts[token];
          const fits =
            text !== undefined && text !== '' && stateBehind(automaton, before + text) !== undefined;
          expect(((mask[token >> 5] as number) >>> (token & 31)) & 1).toBe(Number(fits));
        }
      }),
    );
  });
});

async function constraintOf(texts: readonly string[], schema: object) {
  const tokens = texts.map((text) => Buffer.from(text));
  return new ConstraintCompiler({ tokens: () => tokens, vocabSize: SIZE }).compile({
    kind: 'json-schema',
    schema,
  });
}

/** Tokens that are left of equal ones. */
function left(constraint: Awaited<ReturnType<typeof constraintOf>>): number[] {
  const logits = new Float32Array(SIZE);
  constraint.restrict(logits, [STOP]);
  return [...logits.keys()].filter((token) => logits[token] === 0);
}

describe('a constraint', () => {
  it('lets a stop token come only where the text may end', async () => {
    const constraint = await constraintOf(['1', '-', 'a'], { type: 'integer' });
    expect(left(constraint)).toEqual([0, 1]);
    constraint.accept(1);
    expect(left(constraint)).toEqual([0]);
    constraint.accept(0);
    expect(left(constraint)).toEqual([0, STOP]);
    expect(constraint.ended).toBe(false);
  });

  it('has ended where nothing can come any more', async () => {
    const constraint = await constraintOf(['t', 'rue', 'true'], { const: true });
    constraint.accept(0);
    expect(constraint.ended).toBe(false);
    constraint.accept(1);
    expect(constraint.ended).toBe(true);
  });

  it('says when the vocabulary cannot write what must come', async () => {
    const constraint = await constraintOf(['t', 'r'], { const: true });
    constraint.accept(0);
    expect(() => constraint.accept(1)).toThrow("can't write");
  });
});

describe('the bytes of tokens', () => {
  it('are read from a byte-level vocabulary, special tokens left out', () => {
    const tokenizer = {
      decoder: { type: 'ByteLevel' },
      model: { vocab: { Ġa: 0, Ċ: 1, Ã: 2, '"': 3 } },
      added_tokens: [
        { id: 4, content: '<|end|>', special: true },
        { id: 5, content: '<tool_call>', special: false },
        { id: 6, content: '[TOOL_CALLS]', special: true },
      ],
    };
    expect(
      tokenBytes(tokenizer, ['[TOOL_CALLS]'])?.map((bytes) => bytes && Buffer.from(bytes).toString('latin1')),
    ).toEqual([' a', '\n', '\xc3', '"', undefined, '<tool_call>', '[TOOL_CALLS]']);
  });

  it.each([
    {
      type: 'Sequence',
      decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }],
    },
    { type: 'Metaspace' },
  ])('are read from a SentencePiece vocabulary: %j', (decoder) => {
    const bpe = { decoder, model: { vocab: { '▁a': 0, '<0x0A>': 1, é: 2 } } };
    const unigram = {
      decoder,
      model: {
        vocab: [
          ['▁a', 0],
          ['<0x0A>', -1],
          ['é', -2],
        ],
      },
    };
    for (const tokenizer of [bpe, unigram]) {
      expect(tokenBytes(tokenizer)?.map((bytes) => Buffer.from(bytes ?? Buffer.alloc(0)).toString())).toEqual(
        [' a', '\n', 'é'],
      );
    }
  });

  it('are not known of other tokenizers', () => {
    expect(tokenBytes({ decoder: { type: 'WordPiece' }, model: { vocab: { a: 0 } } })).toBeUndefined();
  });
});
