export interface LogitsProcessorOptions {
  readonly repetitionPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly logitBias: ReadonlyMap<number, number>;
}

/**
 * What a request changes of the model's logits before a token is chosen, in place. Each step touches the tokens that were
 * seen, not the vocabulary.
 */
export class LogitsProcessor {
  readonly #options: LogitsProcessorOptions;
  /** How often each token is in the completion. */
  readonly #counts = new Map<number, number>();
  /** Of prompt and completion. */
  readonly #seen: Set<number>;

  constructor(options: LogitsProcessorOptions, promptTokens: readonly number[]) {
    this.#options = options;
    this.#seen = new Set(options.repetitionPenalty === 1 ? [] : promptTokens);
  }

  /** Whether the request asks for any change at all. */
  get changesLogits(): boolean {
    const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = this.#options;
    return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0 || logitBias.size > 0;
  }

  /** @param banned tokens that must not come now */
  process(logits: Float32Array, banned: Iterable<number>): void {
    this.#penalizeRepetition(logits);
    this.#penalizeCounts(logits);
    for (const [token, bias] of this.#options.logitBias) add(logits, token, bias);
    for (const token of banned) logits[token] = -Infinity;
  }

  /** The token was chosen. */
  push(token: number): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.#options;
    if (repetitionPenalty !== 1) this.#seen.add(token);
    if (presencePenalty !== 0 || frequencyPenalty !== 0)
      this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }

  /** Keskar et al. 2019, https://arxiv.org/abs/1909.05858, as Transformers.js has it. */
  #penalizeRepetition(logits: Float32Array): void {
    const { repetitionPenalty } = this.#options;
    for (const token of this.#seen) {
      const logit = logits[token] as number;
      logits[token] = logit < 0 ? logit * repetitionPenalty : logit / repetitionPenalty;
    }
  }

  /** OpenAI's formula: logit - count * frequency - (count > 0) * presence. */
  #penalizeCounts(logits: Float32Array): void {
    const { presencePenalty, frequencyPenalty } = this.#options;
    for (const [token, count] of this.#counts)
      add(logits, token, -count * frequencyPenalty - presencePenalty);
  }
}

function add(logits: Float32Array, token: number, value: number): void {
  logits[token] = (logits[token] as number) + value;
}
