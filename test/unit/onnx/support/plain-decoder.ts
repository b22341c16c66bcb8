import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { halfToFloat } from '../../../../src/engine/half-float.js';

/** The unchanged graph, one row at a time, its cache fed back as it is meant to be: what the rewritten graph is compared with. */
export class PlainDecoder {
  readonly #session: InferenceSession;
  #cache: Record<string, Tensor>;
  #length = 0;

  constructor(session: InferenceSession) {
    this.#session = session;
    const past = session.inputMetadata.filter(({ name }) => name.startsWith('past_key_values.'));
    this.#cache = Object.fromEntries(
      past.map((input) => {
        if (!input.isTensor) throw new Error(input.name);
        const dims = input.shape.map((dim, i) => (i === 0 ? 1 : typeof dim === 'number' ? dim : 0));
        const empty = input.type === 'float16' ? new Uint16Array(0) : new Float32Array(0);
        return [input.name, new Tensor(input.type as 'float32', empty as Float32Array, dims)];
      }),
    );
  }

  /** Logits behind the last of the tokens. */
  async step(tokens: readonly number[]): Promise<Float32Array> {
    const past = this.#length;
    const total = past + tokens.length;
    const feeds: Record<string, Tensor> = {
      ...this.#cache,
      input_ids: int64(tokens, [1, tokens.length]),
      attention_mask: new Tensor('int64', new BigInt64Array(total).fill(1n), [1, total]),
    };
    if (this.#session.inputNames.includes('position_ids')) {
      feeds['position_ids'] = int64(
        tokens.map((_, i) => past + i),
        [1, tokens.length],
      );
    }
    if (this.#session.inputNames.includes('num_logits_to_keep')) feeds['num_logits_to_keep'] = int64([1], []);
    const outputs = await this.#session.run(feeds);
    this.#cache = Object.fromEntries(
      Object.keys(this.#cache).map((name) => [name, outputs[name.replace('past_key_values', 'present')]!]),
    );
    this.#length = total;
    const logits = outputs['logits']!;
    const size = logits.dims[2]!;
    const data = logits.data as Float32Array | Uint16Array;
    const last = data.slice(data.length - size);
    if (last instanceof Float32Array) return last;
    // a Uint16Array of bits up to Node 22, a Float16Array where the runtime has one
    return Float32Array.from(new Uint16Array(last.buffer, last.byteOffset, last.length), halfToFloat);
  }
}

export function int64(values: readonly number[], dims: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}
