import { Template } from '@huggingface/jinja';
import { InvalidRequestError, messageOf } from '../errors.js';
import type { ChatMessage, ToolDefinition } from '../types.js';
import type { TokenizerDefinition } from './tokenizer-definition.js';

/** What a template can name besides the messages (SPECIAL_TOKEN_ATTRIBUTES in tokenization_utils.js of Transformers.js). */
const SPECIAL_TOKENS = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;

/**
 * The chat template of a model: messages in, the text that the model continues out. As `apply_chat_template` of
 * Transformers.js 4.3.1 does it (tokenization_utils.js), but without that library, which a thread should not load. Both
 * threads render with this class: Transformers.js has jinja 0.5.10 inside, which negates an empty list wrongly, among others.
 */
export class ChatTemplate {
  readonly #definition: Pick<TokenizerDefinition, 'chatTemplate' | 'config'>;
  readonly #compiled = new Map<string, Template>();

  constructor(definition: Pick<TokenizerDefinition, 'chatTemplate' | 'config'>) {
    this.#definition = definition;
  }

  /**
   * The text up to where the assistant's answer begins.
   * @throws InvalidRequestError if the model has no chat template or the template refuses the messages
   */
  render(messages: readonly ChatMessage[], tools?: readonly ToolDefinition[]): string {
    const { chatTemplate, config } = this.#definition;
    if (!chatTemplate) {
      throw new InvalidRequestError(
        'no_chat_template',
        'This model has no chat template, so it cannot take messages. Send its prompt to /v1/completions instead.',
        { param: 'messages' },
      );
    }
    try {
      return this.#template(tools !== undefined).render({
        messages: messages.map(withoutUndefined),
        add_generation_prompt: true,
        tools: tools ?? null,
        documents: null,
        ...specialTokens(config),
      });
    } catch (error) {
      throw new InvalidRequestError(
        'invalid_value',
        `The model's chat template refuses these messages: ${messageOf(error)}`,
        { param: 'messages', cause: error },
      );
    }
  }

  #template(withTools: boolean): Template {
    const text = templateOf(this.#definition, withTools);
    if (text === undefined) {
      const names = Object.keys(this.#definition.chatTemplate ?? {})
        .toSorted()
        .join(', ');
      throw new Error(`the model has several templates, but none of them is the default (${names})`);
    }
    const template = this.#compiled.get(text) ?? new Template(text);
    this.#compiled.set(text, template);
    return template;
  }
}

/**
 * The model's template, of several the default one or, for tools, the one that is called so.
 * @returns undefined if it has none, or none by these names
 */
export function templateOf(
  { chatTemplate }: Pick<TokenizerDefinition, 'chatTemplate'>,
  withTools: boolean,
): string | undefined {
  if (chatTemplate === null || chatTemplate === undefined) return undefined;
  if (typeof chatTemplate === 'string') return chatTemplate;
  const { default: usual, tool_use: forTools } = chatTemplate;
  return withTools ? (forTools ?? usual) : usual;
}

/** Templates ask whether a message has a field, not what it is. */
function withoutUndefined(message: ChatMessage): ChatMessage {
  return Object.fromEntries(
    Object.entries(message).filter(([, value]) => value !== undefined),
  ) as unknown as ChatMessage;
}

function specialTokens(config: TokenizerDefinition['config']): Record<string, string> {
  return Object.fromEntries(
    SPECIAL_TOKENS.flatMap((name) => {
      const token = contentOf(config[name]);
      return token ? [[name, token]] : [];
    }),
  );
}

/** A token is written as its text or as a serialized `AddedToken`. */
function contentOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  if (typeof token !== 'object' || token === null) return undefined;
  const { __type: type, content } = token as { readonly __type?: unknown; readonly content?: unknown };
  if (type === 'AddedToken' && typeof content === 'string') return content;
  throw new Error(`Unknown token: ${JSON.stringify(token)}`);
}
