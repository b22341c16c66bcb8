/** What encoders are asked and what they answer, and the calls that every model's tokenizer answers. */

/** Text, or the token ids of a text with the special tokens that the model wants around it. */
export type EncoderInput = string | readonly number[];

/** Two texts that a cross-encoder or a pair classifier reads together. */
export interface TextPair {
  readonly text: string;
  readonly pair: string;
}

interface EncoderOptions {
  /** Cut what is longer than the model takes, at its end, instead of refusing it. Default: false. */
  readonly truncate?: boolean | undefined;
  /** It fails if it hasn't ended so long after it was asked for, in milliseconds. Default: never. */
  readonly timeoutMs?: number | undefined;
}

export interface EmbeddingRequest extends EncoderOptions {
  /** At least one. */
  readonly inputs: readonly EncoderInput[];
  /** The first so many dimensions, normalised anew if the model normalises. Default: all. */
  readonly dimensions?: number | undefined;
  /** Name of a prompt of the model that goes before every text, like `query` or `passage`. Default: the model's default, if any. */
  readonly promptName?: string | undefined;
  /** Vectors of length 1. Default: what the model's configuration says. */
  readonly normalize?: boolean | undefined;
}

export interface ClassificationRequest extends EncoderOptions {
  /** At least one. */
  readonly inputs: readonly (EncoderInput | TextPair)[];
  /** The logits themselves instead of probabilities. Default: false. */
  readonly rawScores?: boolean | undefined;
}

export interface RerankRequest extends EncoderOptions {
  readonly query: string;
  /** At least one. */
  readonly documents: readonly string[];
  /** The logits themselves instead of relevances between 0 and 1. Default: false. */
  readonly rawScores?: boolean | undefined;
}

export interface TokenizeRequest {
  readonly text: string;
  /** With the special tokens that the model wants around a text. Default: true. */
  readonly addSpecialTokens?: boolean | undefined;
}

export interface DetokenizeRequest {
  readonly tokens: readonly number[];
  /** Leave special tokens out. Default: true. */
  readonly skipSpecialTokens?: boolean | undefined;
}

/** Where the time went, in milliseconds. */
export interface CallTiming {
  /** From its arrival in the engine until the first pass that holds a part of it began. */
  readonly queueMs: number;
  /** From then until its answer. */
  readonly inferenceMs: number;
}

interface Answer {
  /** The load that answered. */
  readonly instanceId: string;
  readonly timing: CallTiming;
}

export interface EmbeddingResult extends Answer {
  /** One for each input, in order; all of one length. */
  readonly embeddings: readonly Float32Array[];
  /** Of all inputs, with special tokens and prompts, after truncation. */
  readonly promptTokens: number;
}

export interface LabelScore {
  readonly label: string;
  readonly score: number;
}

export interface ClassificationResult extends Answer {
  /** For each input, in order, every label of the model, the best first. */
  readonly labels: readonly (readonly LabelScore[])[];
  readonly promptTokens: number;
}

export interface RerankResult extends Answer {
  /** One for each document, in order. */
  readonly scores: readonly number[];
  readonly promptTokens: number;
}

export interface Token {
  readonly id: number;
  /** As the vocabulary spells it, e.g. `Ġworld`. */
  readonly text: string;
  readonly special: boolean;
}

export interface TokenizeResult extends Answer {
  readonly tokens: readonly Token[];
}

export interface DetokenizeResult extends Answer {
  readonly text: string;
}

/** Everything a model answers in one piece, by kind. */
export interface Calls {
  readonly embed: { readonly request: EmbeddingRequest; readonly result: EmbeddingResult };
  readonly classify: { readonly request: ClassificationRequest; readonly result: ClassificationResult };
  readonly rerank: { readonly request: RerankRequest; readonly result: RerankResult };
  readonly tokenize: { readonly request: TokenizeRequest; readonly result: TokenizeResult };
  readonly detokenize: { readonly request: DetokenizeRequest; readonly result: DetokenizeResult };
}
export type CallKind = keyof Calls;
export type EngineCall = {
  readonly [Kind in CallKind]: { readonly kind: Kind; readonly request: Calls[Kind]['request'] };
}[CallKind];
export type CallResult = {
  readonly [Kind in CallKind]: { readonly kind: Kind } & Calls[Kind]['result'];
}[CallKind];
