/**
 * A decoder-only language model as the step loop sees it: tokens in, logits out, with a KV cache per sequence.
 * The loop never sees a tensor, and tests can put any function in the model's place.
 */
export interface CausalModel<Cache = unknown> {
  readonly vocabSize: number;
  createCache(): Cache;
  /**
   * Runs `tokens` behind what `cache` holds and appends their keys and values to it. If it fails, the cache is as before.
   * @returns the logits behind the last token, `[vocabSize]`, the caller's to overwrite
   */
  forward(cache: Cache, tokens: readonly number[]): Promise<Float32Array>;
}
