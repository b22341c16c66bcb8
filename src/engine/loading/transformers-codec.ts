import type { PreTrainedTokenizer } from '@huggingface/transformers';
import type { CallTokenizer } from '../encoding/model-calls.js';
import type { TextCodec } from '../generation/text-generator.js';
import type { PromptEncoder } from '../tokenization/prompt-encoder.js';

/** A Transformers.js tokenizer as the step loop uses it: it never changes the tokenizer's own settings. */
export function createCodec(tokenizer: PreTrainedTokenizer, beginOfSequence: number | undefined): TextCodec {
  return { beginOfSequence, decode: (tokens) => decode(tokenizer, tokens, true) };
}

/** The same as the calls use it, with the encoding in threads. */
export function createCallTokenizer(
  tokenizer: PreTrainedTokenizer,
  encoder: Pick<PromptEncoder, 'encodeText'>,
): CallTokenizer {
  const special = new Set(tokenizer.all_special_ids);
  const { _tokenizer: bare } = tokenizer as unknown as {
    _tokenizer: { id_to_token(id: number): string | undefined };
  };
  return {
    encodeText: (text, withSpecial, signal) => encoder.encodeText(text, withSpecial, signal),
    decode: (tokens, skipSpecial) => decode(tokenizer, [...tokens], skipSpecial),
    spell: (token) => bare.id_to_token(token),
    isSpecial: (token) => special.has(token),
  };
}

/** Without the clean-up of spaces, which rewrites text that was already sent. */
function decode(tokenizer: PreTrainedTokenizer, tokens: number[], skipSpecial: boolean): string {
  if (tokens.length === 0) return '';
  return tokenizer.decode(tokens, { skip_special_tokens: skipSpecial, clean_up_tokenization_spaces: false });
}
