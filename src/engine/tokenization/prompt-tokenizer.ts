import { Tokenizer } from '@huggingface/tokenizers';
import { ChatTemplate } from './chat-template.js';
import { packTokens } from './packed-tokens.js';
import type { EncodingJob } from './protocol.js';
import type { TokenizerDefinition } from './tokenizer-definition.js';

/** The part of `Tokenizer` that is used. The package's own types can't be resolved from ES modules. */
interface BareTokenizer {
  encode(
    text: string,
    options: { readonly add_special_tokens: boolean },
  ): { readonly ids: readonly unknown[] };
}

/**
 * What a thread tokenizes prompts with: what is inside of every tokenizer of Transformers.js 4.3.1, none of whose
 * classes changes how a text is encoded. Transformers.js itself would load ONNX Runtime into the thread.
 */
export class PromptTokenizer {
  readonly #tokenizer: BareTokenizer;
  readonly #chatTemplate: ChatTemplate;

  constructor(definition: TokenizerDefinition) {
    this.#tokenizer = new Tokenizer(definition.tokenizer, definition.config) as BareTokenizer;
    this.#chatTemplate = new ChatTemplate(definition);
  }

  /** @throws InvalidRequestError if the model has no chat template or the template refuses the messages */
  encode(job: EncodingJob): Int32Array<ArrayBuffer> {
    switch (job.kind) {
      case 'text':
        return this.#encode(job.text, job.special);
      case 'texts':
        return packTokens(job.texts.map((text) => this.#encode(text, false)));
      case 'chat':
        return this.#encode(this.#chatTemplate.render(job.messages, job.tools), false);
      default:
        return job satisfies never;
    }
  }

  #encode(text: string, special: boolean): Int32Array<ArrayBuffer> {
    return tokenArray(this.#tokenizer.encode(text, { add_special_tokens: special }).ids);
  }
}

/**
 * Token ids as they cross threads.
 * @throws Error if one isn't a number: a tokenizer without an unknown token, whose vocabulary lacks a part of the text
 */
export function tokenArray(ids: readonly unknown[]): Int32Array<ArrayBuffer> {
  const tokens = new Int32Array(ids.length);
  for (const [index, id] of ids.entries()) {
    if (!Number.isInteger(id)) throw new Error('The vocabulary of the tokenizer lacks a part of this text.');
    tokens[index] = id as number;
  }
  return tokens;
}
