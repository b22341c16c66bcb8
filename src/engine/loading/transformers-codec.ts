import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { InvalidRequestError } from '../errors.js';
import { chatTemplateError, type TextCodec } from '../generation/text-generator.js';

/** A Transformers.js tokenizer as the engine uses it: it never changes the tokenizer's own settings. */
export function createCodec(tokenizer: PreTrainedTokenizer, beginOfSequence: number | undefined): TextCodec {
  return {
    beginOfSequence,
    encode: (text, { special }) => tokenizer.encode(text, { add_special_tokens: special }),
    // without the clean-up of spaces, which rewrites text that was already sent
    decode: (tokens) =>
      tokens.length === 0
        ? ''
        : tokenizer.decode(tokens, { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
    renderChat: (messages) => {
      if (!tokenizer.chat_template) {
        throw new InvalidRequestError(
          'no_chat_template',
          'This model has no chat template, so it cannot take messages. Send its prompt to /v1/completions instead.',
          { param: 'messages' },
        );
      }
      try {
        return tokenizer.apply_chat_template([...messages], { tokenize: false, add_generation_prompt: true });
      } catch (error) {
        throw chatTemplateError(error);
      }
    },
  };
}
