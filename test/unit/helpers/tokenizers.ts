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
  const codec = createCodec(await loadTokenizer(folder), undefined);
  return {
    encode: (text) => codec.encode(text, { special: false }),
    decode: (tokens) => codec.decode(tokens),
  };
}
