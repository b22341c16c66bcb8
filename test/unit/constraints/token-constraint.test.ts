import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConstraintCompiler } from '../../../src/engine/constraints/constraint-compiler.js';
import { tokenBytes } from '../../../src/engine/constraints/token-bytes.js';
import { TokenTrie } from '../../../src/engine/constraints/token-trie.js';
import { Random } from '../../../src/engine/generation/random.js';
import { automatonOf, automatonOfSchema, stateBehind } from '../helpers/grammars.js';

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
  return new ConstraintCompiler({ tokens, vocabSize: SIZE }).compile({
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
    const constraint = await constraintOf(['t', 'rue', 'true', 'r', 'u', 'e'], { const: true });
    constraint.accept(0);
    expect(constraint.ended).toBe(false);
    constraint.accept(1);
    expect(constraint.ended).toBe(true);
  });

  it('never leads to where the vocabulary cannot go on', async () => {
    // é can be written as a whole only, and its first byte by itself
    const texts = ['"', 'a', 'é'];
    const schema = { enum: ['a', 'é', 'x'] };
    const constraint = await constraintOf(texts, schema);
    constraint.accept(0);
    expect(left(constraint)).toEqual([1]);
    await expect(constraintOf(texts, { const: 'x' })).rejects.toThrow("the model's tokens can write");
  });

  it('is ended by no stop token that may be what has to come', async () => {
    const constraint = await constraintOf(['"', 'a', '"a'], { type: 'string' });
    expect(constraint.endings(new Set([0, 2, STOP]))).toEqual(new Set([2, STOP]));
  });

  it('keeps what it found out within bounds, whatever the text', async () => {
    const [automaton, trie] = [automatonOf({ kind: 'json' }), new TokenTrie([], 2 ** 16)];
    const brackets = new Random(5);
    let state = stateBehind(automaton, '{"a":')!;
    for (let depth = 0; depth < 20_000; depth++) {
      const text = brackets.next() < 0.5 ? '[' : '{"":';
      for (const byte of Buffer.from(text)) state = automaton.step(state, automaton.classOf[byte]!)!;
      automaton.maskOf(state, () => trie.allowed(automaton, state));
      expect(automaton.bytes).toBeLessThan(33 * 2 ** 20);
    }
    expect(stateBehind(automaton, '{"a":1}')?.accepting).toBe(true);
  });

  it('looks at long tokens only while that is little work', () => {
    const anyOf = Array.from({ length: 400 }, (_, i) => ({ type: 'string', pattern: `^[a-z]{3}${i}$` }));
    const automaton = automatonOfSchema({ anyOf });
    const letters = Array.from('abcdefghijklmnopqrstuvwxyz');
    const words = letters.flatMap((a) => letters.flatMap((b) => letters.map((c) => `"${a}${b}${c}`)));
    const trie = new TokenTrie(
      ['"', 'a', ...words].map((text) => Buffer.from(text)),
      words.length + 2,
    );
    const mask = trie.allowed(automaton, automaton.start);
    const count = [...mask].reduce(
      (sum, word) => sum + (word >>> 0).toString(2).replaceAll(/[^1]/g, '').length,
      0,
    );
    expect((mask[0] as number) & 3).toBe(1);
    expect(count).toBeGreaterThan(100);
    expect(count).toBeLessThan(words.length);
    // found anew it is the same: nothing depends on what is known already
    expect(trie.allowed(automaton, automaton.start)).toEqual(mask);
  });
});

describe('a compiler', () => {
  it('gives others a turn between two schemas', async () => {
    const compiler = new ConstraintCompiler({ tokens: [Buffer.from('1')], vocabSize: SIZE });
    const order: string[] = [];
    const turn = (): void => {
      order.push('turn');
      if (order.length < 20) setImmediate(turn);
    };
    setImmediate(turn);
    const compile = async (minimum: number): Promise<void> => {
      await compiler.compile({ kind: 'json-schema', schema: { type: 'integer', minimum } });
      order.push('schema');
    };
    await Promise.all([compile(0), compile(1), compile(2)]);
    expect(order.filter((one) => one === 'schema')).toHaveLength(3);
    expect(order.join(' ')).not.toContain('schema schema');
  });

  it('has nothing for a tokenizer without bytes', async () => {
    const compiler = new ConstraintCompiler({ tokens: undefined, vocabSize: SIZE });
    const constraint = { kind: 'tool-calls', tools: [], most: 1 } as const;
    await expect(compiler.compile(constraint)).rejects.toMatchObject({
      code: 'unsupported_parameter',
      param: 'tools',
    });
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

  it('of added tokens are as their decoder has them', () => {
    const added_tokens = [{ id: 0, content: '\u2581\u2581', special: false }];
    const tokenizer = { decoder: { type: 'Metaspace' }, model: { vocab: {} }, added_tokens };
    expect(tokenBytes(tokenizer)).toEqual([Buffer.from('  ')]);
  });

  it('are not known of other tokenizers', () => {
    expect(tokenBytes({ decoder: { type: 'WordPiece' }, model: { vocab: { a: 0 } } })).toBeUndefined();
  });
});
