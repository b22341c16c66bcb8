import * as transformers from '@huggingface/transformers';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PromptTokenizer, tokenArray } from '../../../src/engine/tokenization/prompt-tokenizer.js';
import {
  definitionOf,
  readDefinition,
  shareDefinition,
} from '../../../src/engine/tokenization/tokenizer-definition.js';
import { SOURCES } from './helpers/sources.js';
import { texts } from './helpers/texts.js';

describe.each(SOURCES)('PromptTokenizer with $name', ({ load, absent = false }) => {
  it.skipIf(absent)('encodes every text as the tokenizer of Transformers.js does', async () => {
    const reference = await load();
    const tokenizer = new PromptTokenizer(readDefinition(shareDefinition(definitionOf(reference))));
    fc.assert(
      fc.property(texts(40), fc.boolean(), (text, special) => {
        const expected = reference.encode(text, { add_special_tokens: special });
        expect(Array.from(tokenizer.encode({ kind: 'text', text, special }))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the tokenizers of Transformers.js', () => {
  it('all encode and render as the class that PromptTokenizer stands in for', () => {
    const classes = Object.values(transformers).filter(
      (value): value is typeof PreTrainedTokenizer =>
        typeof value === 'function' && value.prototype instanceof PreTrainedTokenizer,
    );
    expect(classes.length).toBeGreaterThan(40);
    const overridden = classes.flatMap(({ name, prototype }) =>
      ['encode', 'apply_chat_template', 'get_chat_template']
        .filter(
          (method) => Reflect.get(prototype, method) !== Reflect.get(PreTrainedTokenizer.prototype, method),
        )
        .map((method) => `${name}.${method}`),
    );
    expect(overridden).toEqual([]);
  });
});

describe('tokenArray', () => {
  it('holds the ids', () => {
    expect(tokenArray([3, 0, 262_143])).toEqual(Int32Array.of(3, 0, 262_143));
    expect(tokenArray([])).toEqual(new Int32Array());
  });

  it('refuses what is not an id, which would become the token 0', () => {
    expect(() => tokenArray([1, undefined])).toThrow('lacks a part of this text');
  });
});
