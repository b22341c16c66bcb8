import { AutoTokenizer, type PreTrainedTokenizer } from '@huggingface/transformers';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packTokens, unpackTokens } from '../../../src/engine/tokenization/packed-tokens.js';
import { PromptEncoder } from '../../../src/engine/tokenization/prompt-encoder.js';
import { TALES } from '../../support/models.js';

it('token lists come out as they were packed', () => {
  const lists = fc.array(fc.array(fc.nat(100_000)).map((ids) => Int32Array.from(ids)));
  fc.assert(
    fc.property(lists, (all) => {
      expect(unpackTokens(packTokens(all), all.length)).toEqual(all);
    }),
  );
});

describe('many texts', () => {
  const { signal } = new AbortController();
  let tokenizer: PreTrainedTokenizer;
  let encoder: PromptEncoder;

  beforeAll(async () => {
    tokenizer = await AutoTokenizer.from_pretrained(TALES.source);
    encoder = new PromptEncoder(tokenizer);
  });
  afterAll(() => encoder.close());

  it.each([
    ['few short ones', ['Once', '', 'upon a time']],
    ['many', Array.from({ length: 300 }, (_, i) => 'Once upon a time '.repeat(i % 20))],
    ['some of them very long', ['a', 'There was a king. '.repeat(4000), 'b', 'She smiled. '.repeat(1000)]],
  ])('%s are encoded as each by itself, without special tokens', async (_, texts) => {
    const encoded = await encoder.encodeTexts(texts, signal);
    expect(encoded.map((tokens) => Array.from(tokens))).toEqual(
      texts.map((text) => tokenizer.encode(text, { add_special_tokens: false })),
    );
  });

  it('are cancelled together', async () => {
    const aborter = new AbortController();
    const encoding = encoder.encodeTexts(Array<string>(100).fill('word '.repeat(1000)), aborter.signal);
    aborter.abort();
    await expect(encoding).rejects.toMatchObject({ code: 'cancelled' });
    await expect(encoder.encodeTexts(['a'], aborter.signal)).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('one text is encoded with or without special tokens, short or long', async () => {
    for (const text of ['Once', 'Once upon a time '.repeat(100)]) {
      for (const special of [true, false]) {
        expect(Array.from(await encoder.encodeText(text, special, signal))).toEqual(
          tokenizer.encode(text, { add_special_tokens: special }),
        );
      }
    }
  });
});
