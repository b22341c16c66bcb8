import { AutoTokenizer, env, type PreTrainedTokenizer } from '@huggingface/transformers';
import { createCodec } from '../../../src/engine/loading/transformers-codec.js';

/** The tokenizer of a model folder, as the engine reads it: no network, no cache. */
export async function loadTokenizer(folder: string): Promise<PreTrainedTokenizer> {
  env.allowRemoteModels = false;
  env.useFSCache = false;
  return AutoTokenizer.from_pretrained(folder);
}

export interface Tokenizing {
  readonly encode: (text: string) => number[];
  readonly decode: (tokens: number[]) => string;
}

/** Text to tokens and back without special tokens. */
export async function loadCodec(folder: string): Promise<Tokenizing> {
  const tokenizer = await loadTokenizer(folder);
  const codec = createCodec(tokenizer, undefined);
  return {
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }),
    decode: (tokens) => codec.decode(tokens),
  };
}
