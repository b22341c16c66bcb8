import { DataType, float, int, ints, MICROSOFT } from './proto/index.js';
import type { NodeSink } from './node-sink.js';

/** Sizes of one layer's attention. */
export interface Heads {
  /** Query heads; a multiple of `kvHeads`. */
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** What one layer attends with; the tensors are float32. */
export interface AttentionInputs extends Heads {
  /** `[rows, heads, new, headDim]` */
  readonly query: string;
  /** `[rows, kvHeads, new, headDim]`: keys of the new tokens, rotated */
  readonly key: string;
  /** `[rows, kvHeads, new, headDim]` */
  readonly value: string;
  /** `[blocks, kvHeads, blockTokens, headDim]` */
  readonly pastKey: string;
  readonly pastValue: string;
  /** Factor of the scores. */
  readonly scale: number;
  /** Bounds the scores: `softcap * tanh(score / softcap)`. 0: unbounded. */
  readonly softcap: number;
}

/**
 * Attention over a past that lies in blocks. Blocks are multiplied where they lie; what moves are scores and probabilities,
 * one number for a past token instead of a key and a value. The order in which a row's terms are added depends on that row
 * alone: new tokens come first and padding last, and the sums over blocks go by the row's `table`, not by where blocks lie.
 *
 * Inputs that it relies on: `mask`, `table`, `block_row`, `block_slot`, `valid` (see `rewriteGraph`).
 */
export class BlockAttention {
  readonly #sink: NodeSink;
  readonly #newTokens: string;
  readonly #blockTokens: string;
  readonly #rowBlocks: string;
  /** `[new, rowBlocks * blockTokens]`: where new and past tokens part. */
  readonly #parts: string;
  /** `[-1, blockTokens]` */
  readonly #byBlock: string;
  /** `table` and `valid`, for the sums over blocks. */
  readonly #summed: { readonly table: string; readonly valid: string };
  readonly #indices = new Map<string, string>();

  /** @param pastKey - the name of any `past_key_values.*` input */
  constructor(sink: NodeSink, pastKey: string) {
    this.#sink = sink;
    this.#newTokens = this.#dimension('input_ids', 1);
    this.#rowBlocks = this.#dimension('table', 1);
    this.#blockTokens = this.#dimension(pastKey, 2);
    const past = sink.add('Mul', [this.#rowBlocks, this.#blockTokens]);
    this.#parts = this.#join(this.#newTokens, past);
    this.#byBlock = this.#join(sink.ints(-1), this.#blockTokens);
    this.#summed = this.#roundUp();
  }

  /** @returns the attention's output, `[rows, heads, new, headDim]`, named `output` if that is given */
  emit(inputs: AttentionInputs, output?: string): string {
    const { heads, kvHeads, headDim, value, pastValue } = inputs;
    const sink = this.#sink;
    const query = this.#reshape(inputs.query, 0, kvHeads, -1, headDim);
    const probabilities = sink.add('Softmax', [this.#scores(query, inputs)], {
      attributes: { axis: int(-1) },
    });
    const [forNew, forPast] = sink.addMany('Split', [probabilities, this.#parts], 2, {
      attributes: { axis: int(3) },
    }) as [string, string];
    const ofNew = sink.add('MatMul', [this.#reshape(forNew, 0, kvHeads, -1, 0), value]);
    const inBlocks = sink.add('Gather', [
      sink.add('Reshape', [forPast, this.#byBlock]),
      this.#toBlocks(heads, kvHeads),
    ]);
    // [blocks, kvHeads, group * new, headDim], each block's share of its row's result
    const shares = this.#reshape(sink.add('MatMul', [inBlocks, pastValue]), 0, -1);
    const ofPast = sink.add('MatMul', [this.#summed.valid, sink.add('Gather', [shares, this.#summed.table])]);
    const sum = sink.add('Add', [ofNew, this.#reshape(ofPast, 0, kvHeads, -1, headDim)]);
    return sink.add('Reshape', [sum, sink.ints(0, heads, -1, headDim)], { output });
  }

  /** The masked scores, `[rows, heads, new, new + rowBlocks * blockTokens]`. `query`: `[rows, kvHeads, group * new, headDim]`. */
  #scores(query: string, { heads, key, pastKey, scale, softcap }: AttentionInputs): string {
    const sink = this.#sink;
    const product = (a: string, b: string) =>
      sink.add('FusedMatMul', [a, b], {
        domain: MICROSOFT,
        attributes: { transB: int(1), alpha: float(softcap === 0 ? scale : scale / softcap) },
      });
    const toNew = this.#reshape(product(query, key), 0, heads, -1, 0);
    const inBlocks = product(sink.add('Gather', [query, 'block_row']), pastKey);
    const inRows = sink.add('Gather', [sink.add('Reshape', [inBlocks, this.#byBlock]), this.#toRows(heads)]);
    const toPast = this.#reshape(inRows, 0, 0, 0, -1);
    let scores = sink.add('Concat', [toNew, toPast], { attributes: { axis: int(3) } });
    if (softcap !== 0) scores = sink.add('Mul', [sink.add('Tanh', [scores]), sink.float(softcap)]);
    return sink.add('Add', [scores, 'mask']);
  }

  /**
   * `table` and `valid` filled up to a multiple of four blocks. The product that sums takes four at a time and adds what is left
   * over in another order: with seven blocks a row would get another sum than with seven and a filling. Two or fewer have only one
   * order.
   */
  #roundUp(): { table: string; valid: string } {
    const sink = this.#sink;
    const matters = sink.add('Cast', [sink.add('Greater', [this.#rowBlocks, sink.ints(2)])], {
      attributes: { to: int(DataType.INT64) },
    });
    const missing = sink.add('Mod', [sink.add('Neg', [this.#rowBlocks]), sink.ints(4)]);
    const added = sink.add('Mul', [missing, matters]);
    return {
      table: sink.add('Pad', ['table', this.#join(sink.ints(0, 0, 0), added)]),
      valid: sink.add('Pad', ['valid', this.#join(sink.ints(0, 0, 0, 0, 0), added)]),
    };
  }

  /**
   * Where a row's scores lie among the lines of `blockTokens` scores that the blocks made, `[blocks * heads * new]` of
   * them: `[rows, heads, new, rowBlocks]`.
   */
  #toRows(heads: number): string {
    return this.#index(`rows ${heads}`, () => {
      const { lines, count } = this.#lines(heads);
      const starts = this.#reshape(this.#sink.add('Mul', ['table', count]), 0, 1, 1, -1);
      return this.#sink.add('Add', [starts, this.#reshape(lines, 1, heads, -1, 1)]);
    });
  }

  /** Where a block's probabilities lie among the rows' lines, `[rows * heads * new * rowBlocks]`: `[blocks, kvHeads, group * new]`. */
  #toBlocks(heads: number, kvHeads: number): string {
    return this.#index(`blocks ${heads} ${kvHeads}`, () => {
      const sink = this.#sink;
      const { lines, count } = this.#lines(heads);
      // line (row, h, j) is number (row * count + h) * rowBlocks + j, and a slot is row * rowBlocks + j
      const perRow = sink.add('Mul', [sink.add('Sub', [count, sink.ints(1)]), this.#rowBlocks]);
      const starts = sink.add('Add', ['block_slot', sink.add('Mul', ['block_row', perRow])]);
      const steps = sink.add('Mul', [lines, this.#rowBlocks]);
      return sink.add('Add', [this.#reshape(starts, -1, 1, 1), this.#reshape(steps, 1, kvHeads, -1)]);
    });
  }

  /** 0, 1, ... up to the lines of one block, and how many these are: `heads * new`. */
  #lines(heads: number): { lines: string; count: string } {
    const sink = this.#sink;
    const count = this.#index(`count ${heads}`, () => sink.add('Mul', [this.#newTokens, sink.ints(heads)]));
    const lines = this.#index(`lines ${heads}`, () =>
      sink.add('Range', [sink.int(0), sink.add('Squeeze', [count]), sink.int(1)]),
    );
    return { lines, count };
  }

  /** Computed once per graph, not once per layer. */
  #index(key: string, make: () => string): string {
    const known = this.#indices.get(key) ?? make();
    this.#indices.set(key, known);
    return known;
  }

  #reshape(value: string, ...dims: number[]): string {
    return this.#sink.add('Reshape', [value, this.#sink.ints(...dims)]);
  }

  #dimension(value: string, axis: number): string {
    return this.#sink.add('Gather', [this.#sink.add('Shape', [value]), this.#sink.ints(axis)]);
  }

  #join(...vectors: string[]): string {
    return this.#sink.add('Concat', vectors, { attributes: { axis: int(0) } });
  }
}

/** `[rows, tokens, heads * headDim]` to `[rows, heads, tokens, headDim]`. */
export function toHeads(
  sink: NodeSink,
  value: string,
  { heads, headDim }: { heads: number; headDim: number },
  output?: string,
): string {
  const split = sink.add('Reshape', [value, sink.ints(0, 0, heads, headDim)]);
  return sink.add('Transpose', [split], {
    attributes: { perm: ints([0, 2, 1, 3]) },
    output,
  });
}

/** `[rows, heads, tokens, headDim]` to `[rows, tokens, heads * headDim]`. */
export function fromHeads(
  sink: NodeSink,
  value: string,
  { heads, headDim }: { heads: number; headDim: number },
  output?: string,
): string {
  const tokensFirst = sink.add('Transpose', [value], { attributes: { perm: ints([0, 2, 1, 3]) } });
  return sink.add('Reshape', [tokensFirst, sink.ints(0, 0, heads * headDim)], { output });
}
