import { Tensor } from 'onnxruntime-node';

/** Size of one layer's keys (and of its values, which have the same). */
export interface LayerShape {
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Where a token's keys and values go. */
export interface TokenPlace {
  /** Block in the pool. */
  readonly block: number;
  /** Token within the block. */
  readonly offset: number;
}

/** One cache tensor of all blocks: `[blocks, kvHeads, blockTokens, headDim]`, contiguous by block. */
interface Plane {
  readonly name: string;
  /** The output that holds the new tokens' part: `[rows, kvHeads, tokens, headDim]`. */
  readonly delta: string;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly data: Float32Array;
  /** Elements of one block. */
  readonly blockSize: number;
}

/** One float32. */
const BYTES = 4;

/** Of keys and values, all layers. */
export function bytesPerToken(layers: readonly LayerShape[]): number {
  return layers.reduce((sum, { kvHeads, headDim }) => sum + 2 * kvHeads * headDim * BYTES, 0);
}

/**
 * The memory of the in-place KV cache: for each layer the keys and the values of all blocks, in typed arrays that ONNX Runtime
 * reads where they are. Memory that no block has used yet takes none: the arrays are zero pages until they are written.
 */
export class InPlaceMemory {
  readonly #planes: readonly Plane[];
  readonly #blockTokens: number;
  /** A whole sequence in one piece, `[1, kvHeads, tokens, headDim]` by plane. */
  #flat: Float32Array[] = [];
  #flatTokens = 0;
  readonly #kept = new Float32Array(2048);

  constructor(layers: readonly LayerShape[], blocks: number, blockTokens: number) {
    this.#blockTokens = blockTokens;
    this.#planes = layers.flatMap((layer, i) =>
      (['key', 'value'] as const).map((kind) => createPlane(`${i}.${kind}`, layer, blocks, blockTokens)),
    );
  }

  /** Copies a block over another one. */
  copy(from: number, to: number): void {
    for (const { data, blockSize } of this.#planes)
      data.copyWithin(to * blockSize, from * blockSize, (from + 1) * blockSize);
  }

  swap(a: number, b: number): void {
    const kept = this.#kept;
    for (const { data, blockSize } of this.#planes) {
      // in pieces that stay in the processor's first cache
      for (let at = 0; at < blockSize; at += kept.length) {
        const size = Math.min(kept.length, blockSize - at);
        const first = a * blockSize + at;
        const second = b * blockSize + at;
        kept.set(data.subarray(first, first + size));
        data.copyWithin(first, second, second + size);
        data.set(size === kept.length ? kept : kept.subarray(0, size), second);
      }
    }
  }

  /** The first blocks of the pool as the graph's inputs, without a copy. */
  blocks(count: number): Record<string, Tensor> {
    return this.#inputs(({ data, blockSize, kvHeads, headDim }) => [
      data.subarray(0, count * blockSize),
      [count, kvHeads, this.#blockTokens, headDim],
    ]);
  }

  /** One block of one token, for a pass without a past: the graph has no form for none. */
  nothing(): Record<string, Tensor> {
    return this.#inputs(({ kvHeads, headDim }) => [
      new Float32Array(kvHeads * headDim),
      [1, kvHeads, 1, headDim],
    ]);
  }

  /** These blocks put one after the other, as if they were one large block. Valid until the next call. */
  joined(blocks: readonly number[]): Record<string, Tensor> {
    const tokens = blocks.length * this.#blockTokens;
    this.#makeFlat(tokens);
    let i = 0;
    return this.#inputs((plane) => {
      const { kvHeads, headDim } = plane;
      const flat = (this.#flat[i++] as Float32Array).subarray(0, kvHeads * tokens * headDim);
      this.#join(plane, blocks, flat);
      return [flat, [1, kvHeads, tokens, headDim]];
    });
  }

  /**
   * Writes the keys and values of new tokens into their blocks.
   * @param outputs of the pass, with one `[rows, kvHeads, steps, headDim]` for each plane
   * @param places by row: of its tokens, in order; a row may have fewer tokens than `steps`
   */
  write(
    outputs: Readonly<Record<string, Tensor>>,
    places: readonly (readonly TokenPlace[])[],
    steps: number,
  ): void {
    for (const plane of this.#planes) {
      const source = (outputs[plane.delta] as Tensor).data as Float32Array;
      places.forEach((tokens, row) =>
        this.#writeRow(plane, source, row * plane.kvHeads * steps, tokens, steps),
      );
    }
  }

  #writeRow(
    { data, kvHeads, headDim, blockSize }: Plane,
    source: Float32Array,
    firstStep: number,
    tokens: readonly TokenPlace[],
    steps: number,
  ): void {
    const stride = this.#blockTokens * headDim;
    for (let token = 0; token < tokens.length; token++) {
      const { block, offset } = tokens[token] as TokenPlace;
      // what its last owner left behind is masked, but a NaN would show through any mask
      if (offset === 0) data.fill(0, block * blockSize, (block + 1) * blockSize);
      let from = (firstStep + token) * headDim;
      let to = block * blockSize + offset * headDim;
      for (let head = 0; head < kvHeads; head++) {
        // a loop: for so few elements, subarray() and set() cost more than what they copy
        for (let i = 0; i < headDim; i++) data[to + i] = source[from + i] as number;
        from += steps * headDim;
        to += stride;
      }
    }
  }

  #join({ data, kvHeads, headDim, blockSize }: Plane, blocks: readonly number[], flat: Float32Array): void {
    const piece = this.#blockTokens * headDim;
    for (let head = 0; head < kvHeads; head++) {
      for (let i = 0; i < blocks.length; i++) {
        const from = (blocks[i] as number) * blockSize + head * piece;
        flat.set(data.subarray(from, from + piece), (head * blocks.length + i) * piece);
      }
    }
  }

  #makeFlat(tokens: number): void {
    if (tokens <= this.#flatTokens) return;
    this.#flatTokens = Math.max(tokens, 2 * this.#flatTokens);
    this.#flat = this.#planes.map(
      ({ kvHeads, headDim }) => new Float32Array(kvHeads * this.#flatTokens * headDim),
    );
  }

  #inputs(part: (plane: Plane) => [Float32Array, number[]]): Record<string, Tensor> {
    const inputs: Record<string, Tensor> = {};
    for (const plane of this.#planes) {
      const [data, dims] = part(plane);
      inputs[plane.name] = new Tensor('float32', data, dims);
    }
    return inputs;
  }
}

function createPlane(
  name: string,
  { kvHeads, headDim }: LayerShape,
  blocks: number,
  blockTokens: number,
): Plane {
  const blockSize = kvHeads * blockTokens * headDim;
  return {
    name: `past_key_values.${name}`,
    delta: `delta.${name}`,
    kvHeads,
    headDim,
    blockSize,
    data: new Float32Array(blocks * blockSize),
  };
}
