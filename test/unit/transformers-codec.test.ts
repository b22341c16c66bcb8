import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createCodec } from '../../src/engine/loading/transformers-codec.js';
import { TALES } from '../support/models.js';
import { temporaryFolder } from './helpers/temporary-folder.js';
import { loadTokenizer } from './helpers/tokenizers.js';

describe('createCodec', () => {
  it('keeps spaces before punctuation, also for a model that says nothing of a clean-up', async () => {
    const tokenizerJson = readFileSync(join(TALES.source, 'tokenizer.json'), 'utf8');
    const folder = temporaryFolder({ 'tokenizer.json': tokenizerJson, 'tokenizer_config.json': '{}' });
    const tokenizer = await loadTokenizer(folder);
    const text = "Well , it 's  \n fine .";
    expect(createCodec(tokenizer, 0).decode(tokenizer.encode(text))).toBe(text);
  });

  it('leaves special tokens out, and decodes no tokens to no text', async () => {
    const tokenizer = await loadTokenizer(TALES.source);
    const codec = createCodec(tokenizer, 0);
    const tokens = tokenizer.encode('Hi', { add_special_tokens: false });
    expect(codec.decode([0, ...tokens, 0])).toBe('Hi');
    expect(codec.decode([])).toBe('');
  });

  it('knows the token that begins a text', async () => {
    const tokenizer = await loadTokenizer(TALES.source);
    expect(createCodec(tokenizer, 7).beginOfSequence).toBe(7);
    expect(createCodec(tokenizer, undefined).beginOfSequence).toBeUndefined();
  });
});
