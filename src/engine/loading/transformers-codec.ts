import type { PreTrainedTokenizer } from '@huggingface/transformers';
import type { TextCodec } from '../generation/text-generator.js';

/** A Transformers.js tokenizer as the step loop uses it: it never changes the tokenizer's own settings. */
export function createCodec(tokenizer: PreTrainedTokenizer, beginOfSequence: number | undefined): TextCodec {
  return {
    beginOfSequence,
    // without the clean-up of spaces, which rewrites text that was already sent
    decode: (tokens) =>
      tokens.length === 0
        ? ''
        : tokenizer.decode(tokens, { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
  };
}
