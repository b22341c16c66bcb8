import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { halfToFloat } from '../half-float.js';
import { int64 } from '../int64-tensor.js';
import { NotFiniteError } from '../placement/failures.js';
import type { Pooling } from '../types.js';
import type { EncoderModel, EncoderRow } from './encoder-model.js';
import { poolRow } from './vectors.js';

/** What is read of a pass. */
export type EncoderOutput =
  /** `[rows, width, size]`: a vector for each token. */
  | { readonly name: string; readonly kind: 'tokens'; readonly pooling: Pooling }
  /** `[rows, size]`: a vector for each row, as it is. */
  | { readonly name: string; readonly kind: 'rows' };

type SetValue = (index: number, value: number) => void;

/** An encoder's graph as Transformers.js has it, run directly: only the output that is used is fetched. */
export class OnnxEncoderModel implements EncoderModel {
  readonly #session: InferenceSession;
  readonly #output: EncoderOutput;

  /** @throws Error if the graph has inputs that can't be told from tokens */
  constructor(session: InferenceSession, output: EncoderOutput) {
    this.#session = session;
    this.#output = output;
    const unknown = session.inputNames.find((name) => !isKnown(name));
    if (unknown !== undefined) throw new Error(`its graph has an input '${unknown}'`);
  }

  async forward(rows: readonly EncoderRow[]): Promise<Float32Array[]> {
    const width = rows.reduce((most, { tokens }) => Math.max(most, tokens.length), 0);
    const feeds: Record<string, Tensor> = {};
    for (const name of this.#session.inputNames) feeds[name] = this.#feed(name, rows, width);
    const { [this.#output.name]: tensor } = await this.#session.run(feeds, [this.#output.name]);
    const output = this.#output;
    if (!tensor) throw new Error(`the graph has no output '${output.name}'`);
    const values = numbersOf(tensor);
    const size = tensor.dims.at(-1) ?? 0;
    const vectors = rows.map(({ tokens: { length } }, row) =>
      output.kind === 'rows'
        ? values.slice(row * size, (row + 1) * size)
        : poolRow(values, { row, width, size, length }, output.pooling),
    );
    // half precision overflows; JSON has no word for it
    if (!vectors.every((vector) => vector.every(Number.isFinite))) throw new NotFiniteError();
    return vectors;
  }

  #feed(name: string, rows: readonly EncoderRow[], width: number): Tensor {
    switch (name) {
      case 'input_ids':
        return padded(rows, width, (set, at, { tokens }) => {
          for (const [i, token] of tokens.entries()) set(at + i, token);
        });
      case 'attention_mask':
        return padded(rows, width, (set, at, { tokens }) => fill(set, at, at + tokens.length));
      case 'token_type_ids':
        return padded(rows, width, (set, at, { tokens, secondFrom = tokens.length }) =>
          fill(set, at + secondFrom, at + tokens.length),
        );
      case 'position_ids':
        return padded(rows, width, (set, at) => {
          for (let i = 0; i < width; i++) set(at + i, i);
        });
      default:
        return this.#emptyPast(name, rows.length);
    }
  }

  /** The cache that a decoder used as an encoder asks for: of no tokens. */
  #emptyPast(name: string, rows: number): Tensor {
    const metadata = this.#session.inputMetadata[this.#session.inputNames.indexOf(name)];
    if (!metadata?.isTensor) throw new Error(`the graph's input '${name}' is not a tensor`);
    const dims = metadata.shape.map((dim, i) =>
      typeof dim === 'number' && dim >= 0 ? dim : i === 0 ? rows : 0,
    );
    return metadata.type === 'float16'
      ? new Tensor('float16', new Uint16Array(0), dims)
      : new Tensor('float32', new Float32Array(0), dims);
  }
}

function isKnown(name: string): boolean {
  return (
    ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'].includes(name) ||
    name.startsWith('past_key_values.')
  );
}

/** `[rows, width]`; zeros where nothing is written, which is the padding. */
function padded(
  rows: readonly EncoderRow[],
  width: number,
  write: (set: SetValue, at: number, row: EncoderRow) => void,
): Tensor {
  return int64([rows.length, width], (set) => {
    for (const [i, row] of rows.entries()) write(set, i * width, row);
  });
}

/** Ones. */
function fill(set: SetValue, from: number, to: number): void {
  for (let at = from; at < to; at++) set(at, 1);
}

/** Half-precision numbers are a `Float16Array` where there is that class, else their bits. */
function numbersOf({ type, data }: Tensor): Float32Array {
  if (data instanceof Float32Array) return data;
  if (type !== 'float16') throw new Error(`the graph's output is ${type}, not floating-point numbers`);
  return data instanceof Uint16Array
    ? Float32Array.from(data, halfToFloat)
    : Float32Array.from(data as ArrayLike<number>);
}
