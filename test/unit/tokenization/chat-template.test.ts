import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../../src/engine/errors.js';
import { ChatTemplate } from '../../../src/engine/tokenization/chat-template.js';
import { definitionOf } from '../../../src/engine/tokenization/tokenizer-definition.js';
import { thrown } from '../helpers/thrown.js';
import { SOURCES } from './helpers/sources.js';
import { CHAT_TEMPLATE, byteLevelFiles, tokenizerFrom } from './helpers/synthetic-tokenizers.js';
import { texts } from './helpers/texts.js';

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const conversations = fc.array(
  fc.record({ role: fc.constantFrom('system', 'user', 'assistant'), content: texts(6) }),
  { maxLength: 6 },
);

describe.each(SOURCES)('ChatTemplate with $name', ({ load, absent = false }) => {
  it.skipIf(absent)('renders every conversation as the tokenizer of Transformers.js does', async () => {
    const reference = await load();
    reference.chat_template ??= CHAT_TEMPLATE;
    const template = new ChatTemplate(definitionOf(reference));
    const render = (messages: { role: string; content: string }[]) =>
      reference.apply_chat_template(messages, { tokenize: false, add_generation_prompt: true });
    fc.assert(
      fc.property(conversations, (messages) => {
        expect(template.render(messages)).toBe(render(messages));
      }),
      { numRuns: 100 },
    );
  });
});

describe('ChatTemplate', () => {
  const template = (chatTemplate: string | Record<string, string> | null, config = {}): ChatTemplate =>
    new ChatTemplate({ chatTemplate, config });

  it('knows the special tokens, written as texts or as objects, and what is on offer besides messages', () => {
    const text =
      '{{ bos_token }}{{ mask_token }}{{ pad_token is defined }}{{ tools is none }}{{ documents is none }}';
    const config = {
      bos_token: { __type: 'AddedToken', content: '<b>' },
      mask_token: '<m>',
      pad_token: null,
    };
    expect(template(text, config).render(MESSAGES)).toBe('<b><m>falsetruetrue');
  });

  it('takes the default of several templates', () => {
    expect(template({ tool_use: 'tools', default: '{{ messages[0].content }}' }).render(MESSAGES)).toBe('Hi');
  });

  it('says so if the model has none, and what to do', () => {
    const error = thrown(InvalidRequestError, () => template(null).render(MESSAGES));
    expect(error).toMatchObject({
      code: 'no_chat_template',
      message:
        'This model has no chat template, so it cannot take messages. Send its prompt to /v1/completions instead.',
      param: 'messages',
    });
  });

  it.each([
    ["{{ raise_exception('roles must alternate') }}", 'roles must alternate'],
    ['{% for %}', ''],
    [
      { rag: 'a', tool_use: 'b' },
      'the model has several templates, but none of them is the default (rag, tool_use)',
    ],
  ])('passes on why %j refuses the messages', (text, reason) => {
    const error = thrown(InvalidRequestError, () => template(text).render(MESSAGES));
    expect(error).toMatchObject({ code: 'invalid_value', param: 'messages' });
    expect(error.message).toContain(`The model's chat template refuses these messages: ${reason}`);
  });

  it('sees a template that was given to the tokenizer after it was loaded', async () => {
    const tokenizer = await tokenizerFrom(byteLevelFiles());
    tokenizer.chat_template = 'another';
    expect(new ChatTemplate(definitionOf(tokenizer)).render(MESSAGES)).toBe('another');
  });
});
