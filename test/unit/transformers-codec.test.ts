import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { beforeEach, describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../src/engine/errors.js';
import { createCodec } from '../../src/engine/loading/transformers-codec.js';
import { GOLDEN, GOLDEN_SKIP, TALES } from '../support/models.js';
import { temporaryFolder } from './helpers/temporary-folder.js';
import { loadTokenizer } from './helpers/tokenizers.js';
import { thrown } from './helpers/thrown.js';

const MESSAGES = [
  { role: 'user', content: 'Hello' },
  { role: 'assistant', content: 'there' },
];

describe('createCodec', () => {
  let tokenizer: PreTrainedTokenizer;

  beforeEach(async () => {
    tokenizer = await loadTokenizer(TALES.source);
  });

  it('keeps spaces before punctuation, also for a model that says nothing of a clean-up', async () => {
    const tokenizerJson = readFileSync(join(TALES.source, 'tokenizer.json'), 'utf8');
    const folder = temporaryFolder({ 'tokenizer.json': tokenizerJson, 'tokenizer_config.json': '{}' });
    const codec = createCodec(await loadTokenizer(folder), 0);
    const text = "Well , it 's  \n fine .";
    expect(codec.decode(codec.encode(text, { special: true }))).toBe(text);
  });

  it('leaves special tokens out, and decodes no tokens to no text', () => {
    const codec = createCodec(tokenizer, 0);
    expect(codec.decode([0, ...codec.encode('Hi', { special: false }), 0])).toBe('Hi');
    expect(codec.decode([])).toBe('');
  });

  it('renders messages with the template of the model, up to where the answer begins', () => {
    tokenizer.chat_template =
      '{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}';
    expect(createCodec(tokenizer, 0).renderChat(MESSAGES)).toBe('[user]Hello[assistant]there[assistant]');
  });

  it('refuses messages for a model without a template, and says what to do', () => {
    tokenizer.chat_template = null;
    const error = thrown(InvalidRequestError, () => createCodec(tokenizer, 0).renderChat(MESSAGES));
    expect(error).toMatchObject({ code: 'no_chat_template', param: 'messages' });
    expect(error.message).toContain('/v1/completions');
  });

  it('passes on why a template refuses the messages', () => {
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}";
    const error = thrown(InvalidRequestError, () => createCodec(tokenizer, 0).renderChat(MESSAGES));
    expect(error).toMatchObject({ code: 'invalid_value', param: 'messages' });
    expect(error.message).toContain('roles must alternate');
  });
});

describe.skipIf(!GOLDEN)(
  `createCodec with a model that begins its texts with a token (${GOLDEN_SKIP})`,
  () => {
    it('adds the token where it is asked to', async () => {
      const codec = createCodec(await loadTokenizer(GOLDEN?.model.source as string), 1);
      const bare = codec.encode('Once upon', { special: false });
      expect(codec.encode('Once upon', { special: true })).toEqual([1, ...bare]);
      expect(bare).not.toContain(1);
    });
  },
);
