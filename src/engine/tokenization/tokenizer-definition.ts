import type { PreTrainedTokenizer } from '@huggingface/transformers';

type Json = Readonly<Record<string, unknown>>;

/** All that makes a tokenizer, as JSON: a thread builds the same one from it, without files and network. */
export interface TokenizerDefinition {
  /** tokenizer.json */
  readonly tokenizer: Json;
  /** tokenizer_config.json */
  readonly config: Json;
  /** Jinja; several by name if the model has several. */
  readonly chatTemplate: string | Readonly<Record<string, string>> | null;
}

/** What a tokenizer of Transformers.js was built from. It keeps both files as it read them. */
export function definitionOf({
  _tokenizerJSON: tokenizer,
  config,
  chat_template: chatTemplate,
}: PreTrainedTokenizer): TokenizerDefinition {
  return {
    tokenizer: tokenizer as Json,
    config: config as Json,
    chatTemplate: chatTemplate as TokenizerDefinition['chatTemplate'],
  };
}

/**
 * A definition in memory that threads share, as UTF-8. It is up to 30 MB of JSON, whose structured clone, made at each
 * start of a thread, would hold up the main thread for as much as 0.7 s.
 */
export function shareDefinition(definition: TokenizerDefinition): SharedArrayBuffer {
  const bytes = Buffer.from(JSON.stringify(definition));
  const shared = new SharedArrayBuffer(bytes.byteLength);
  new Uint8Array(shared).set(bytes);
  return shared;
}

/** The reverse of `shareDefinition`. */
export function readDefinition(shared: SharedArrayBuffer): TokenizerDefinition {
  return JSON.parse(Buffer.from(shared).toString()) as TokenizerDefinition;
}
