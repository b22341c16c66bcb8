import type { CallResult, DetokenizeRequest, EngineCall, TokenizeRequest } from '../encoder-types.js';
import { CancelledError, InvalidRequestError, ResidentError, messageOf } from '../errors.js';
import type { Priority } from '../types.js';
import type { Encoder } from './encoder.js';

/** Whose call it is, and until when somebody waits for it. */
export interface CallContext {
  readonly id: number;
  readonly priority: Priority;
  readonly client: string;
  readonly signal: AbortSignal;
}

/** Answers calls. */
export interface CallAnswerer {
  /** @throws ResidentError; CancelledError when the signal aborts */
  answer(call: EngineCall, context: CallContext): Promise<CallResult>;
}

/** What the calls of every model need of a tokenizer. */
export interface CallTokenizer {
  /** @param special with the special tokens that the model wants around a text */
  encodeText(text: string, special: boolean, signal: AbortSignal): Promise<ArrayLike<number>>;
  /** @param skipSpecial without the text of special tokens */
  decode(tokens: readonly number[], skipSpecial: boolean): string;
  /** As the vocabulary spells it; undefined: there is no such token. */
  spell(token: number): string | undefined;
  isSpecial(token: number): boolean;
}

export interface ModelCallsOptions {
  readonly instanceId: string;
  readonly tokenizer: CallTokenizer;
  /** Undefined: the model generates. */
  readonly encoder?: Encoder | undefined;
}

/** Everything that a loaded model answers in one piece. */
export class ModelCalls implements CallAnswerer {
  readonly #options: ModelCallsOptions;

  constructor(options: ModelCallsOptions) {
    this.#options = options;
  }

  async answer(call: EngineCall, context: CallContext): Promise<CallResult> {
    const { instanceId } = this.#options;
    const arrived = performance.now();
    switch (call.kind) {
      case 'embed':
      case 'classify':
      case 'rerank':
        return { ...(await this.#encoder(call.kind).answer(call, context)), instanceId };
      case 'tokenize':
        return {
          kind: 'tokenize',
          ...(await this.#tokenize(call.request, context.signal)),
          ...this.#since(arrived),
        };
      case 'detokenize':
        return { kind: 'detokenize', text: this.#detokenize(call.request), ...this.#since(arrived) };
      default:
        return call satisfies never;
    }
  }

  #encoder(kind: 'embed' | 'classify' | 'rerank'): Encoder {
    const { encoder } = this.#options;
    if (encoder) return encoder;
    throw new InvalidRequestError('task_not_supported', `This model generates text; it can't ${kind}.`, {
      param: 'model',
    });
  }

  async #tokenize({ text, addSpecialTokens = true }: TokenizeRequest, signal: AbortSignal) {
    const { tokenizer } = this.#options;
    const ids = await tokenizer.encodeText(text, addSpecialTokens, signal);
    if (signal.aborted) throw new CancelledError();
    const tokens = Array.from(ids, (id) => ({
      id,
      text: tokenizer.spell(id) ?? '',
      special: tokenizer.isSpecial(id),
    }));
    return { tokens };
  }

  #detokenize({ tokens, skipSpecialTokens = true }: DetokenizeRequest): string {
    const { tokenizer } = this.#options;
    const unknown = tokens.find((token) => tokenizer.spell(token) === undefined);
    if (unknown !== undefined)
      throw new InvalidRequestError('invalid_value', `The model has no token ${unknown}.`, {
        param: 'tokens',
      });
    try {
      return tokenizer.decode(tokens, skipSpecialTokens);
    } catch (error) {
      throw new ResidentError('internal_error', messageOf(error), { cause: error });
    }
  }

  #since(arrived: number) {
    const { instanceId } = this.#options;
    return { instanceId, timing: { queueMs: 0, inferenceMs: performance.now() - arrived } };
  }
}
