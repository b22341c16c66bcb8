/** One input as the model reads it. */
export interface EncoderRow {
  /** At least one, with special tokens. */
  readonly tokens: Int32Array;
  /** Where the second text of a pair begins; undefined: there is none. */
  readonly secondFrom?: number | undefined;
}

/** A loaded encoder: tokens in, one vector out. */
export interface EncoderModel {
  /**
   * One pass over all rows; what shares a pass with a row doesn't show in its result, but for rounding.
   * @returns for each row an embedding, or the logits of the labels
   */
  forward(rows: readonly EncoderRow[]): Promise<Float32Array[]>;
}
