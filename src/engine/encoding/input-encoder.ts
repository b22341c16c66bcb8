import type { EncoderInput, TextPair } from '../encoder-types.js';
import { InvalidRequestError } from '../errors.js';
import type { EncoderRow } from './encoder-model.js';
import { cutTokens, frameTokens, type InputFrames } from './input-frames.js';

/** Makes tokens of texts somewhere else: the loop doesn't wait for it. */
export interface TextEncoding {
  /** Without special tokens, in order. */
  encodeTexts(texts: readonly string[], signal: AbortSignal): Promise<Int32Array[]>;
}

export interface InputEncoderOptions {
  readonly texts: TextEncoding;
  readonly frames: InputFrames;
  /** Most tokens of one input. */
  readonly maxTokens: number;
  /** Token ids are below it; undefined: nobody knows. */
  readonly vocabSize: number | undefined;
}

export interface InputOptions {
  readonly truncate: boolean;
  /** The request's field that holds the inputs, for errors. */
  readonly param: string;
  readonly signal: AbortSignal;
}

/** Turns the inputs of a request into what the model reads. */
export class InputEncoder {
  readonly #options: InputEncoderOptions;

  constructor(options: InputEncoderOptions) {
    this.#options = options;
  }

  /** @throws InvalidRequestError if one of them is empty, too long or not the model's tokens */
  async encode(inputs: readonly (EncoderInput | TextPair)[], options: InputOptions): Promise<EncoderRow[]> {
    // a text that several pairs have is encoded once: the query of a reranking
    const texts = new Map<string, Int32Array>();
    for (const input of inputs) for (const text of textsOf(input)) texts.set(text, NONE);
    const distinct = [...texts.keys()];
    const encoded = await this.#options.texts.encodeTexts(distinct, options.signal);
    for (const [i, text] of distinct.entries()) texts.set(text, encoded[i] as Int32Array);
    const tokensOf = (text: string): Int32Array => texts.get(text) ?? NONE;
    return inputs.map((input, index) => this.#checked(this.#rowOf(input, tokensOf, options), index, options));
  }

  #rowOf(
    input: EncoderInput | TextPair,
    tokensOf: (text: string) => Int32Array,
    { truncate, param }: InputOptions,
  ): EncoderRow {
    const { frames, maxTokens } = this.#options;
    const most = truncate ? maxTokens : Infinity;
    if (typeof input === 'string') return frameTokens(frames.single, [tokensOf(input)], most);
    if (isTokens(input)) {
      this.#checkTokens(input, param);
      return { tokens: cutTokens(frames.single, Int32Array.from(input), most) };
    }
    if (!frames.pair) throw invalid("This model's tokenizer doesn't put two texts together.", param);
    return frameTokens(frames.pair, [tokensOf(input.text), tokensOf(input.pair)], most);
  }

  #checked(row: EncoderRow, index: number, { param }: InputOptions): EncoderRow {
    const { maxTokens } = this.#options;
    const { length } = row.tokens;
    if (length === 0) throw invalid(`Input ${index} has no tokens.`, param);
    if (length <= maxTokens) return row;
    throw new InvalidRequestError(
      'context_length_exceeded',
      `Input ${index} has ${length} tokens, but this model takes at most ${maxTokens}. Shorten it, or set truncate to cut it at its end.`,
      { param },
    );
  }

  #checkTokens(tokens: readonly number[], param: string): void {
    const { vocabSize = 2 ** 31 } = this.#options;
    const wrong = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabSize);
    if (wrong !== undefined) throw invalid(`The model has no token ${wrong}.`, param);
  }
}

const NONE = new Int32Array(0);

function textsOf(input: EncoderInput | TextPair): readonly string[] {
  if (typeof input === 'string') return [input];
  return isTokens(input) ? [] : [input.text, input.pair];
}

function isTokens(input: EncoderInput | TextPair): input is readonly number[] {
  return Array.isArray(input);
}

function invalid(message: string, param: string): InvalidRequestError {
  return new InvalidRequestError('invalid_value', message, { param });
}
