import {
  float,
  int,
  int64Tensor,
  makeModel,
  makeNode,
  makeTensor,
  DataType,
  MICROSOFT,
  type AttributeValue,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../../../src/engine/onnx/proto/index.js';
import { numberToHalf } from './halves.js';

/** How a tiny decoder's weights are stored. */
export type Weights = 'fp32' | 'fp16' | 'q8' | 'q4' | 'q8-accuracy-4' | 'dynamic';

/** Collects nodes and random weights of a tiny graph. */
export class GraphMaker {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly weights: Weights;
  #state: number;

  constructor(weights: Weights, seed = 1) {
    this.weights = weights;
    this.#state = seed;
  }

  /** Element type of everything that is not quantised. */
  get type(): DataType.FLOAT | DataType.FLOAT16 {
    return this.weights === 'fp16' ? DataType.FLOAT16 : DataType.FLOAT;
  }

  /** Adds a node of one output. @returns the output's name */
  op(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    output = `${opType}_${this.nodes.length}`,
  ): string {
    return this.many(opType, inputs, [output], attributes)[0]!;
  }

  many(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): readonly string[] {
    this.nodes.push(
      makeNode(opType, inputs, outputs, attributes, MICROSOFT_OPS.has(opType) ? MICROSOFT : ''),
    );
    return outputs;
  }

  ints(values: readonly number[], dims?: readonly number[]): string {
    const name = `ints_${this.initializers.length}`;
    this.initializers.push(int64Tensor(name, values, dims));
    return name;
  }

  /** A constant in the element type of the graph. */
  constant(values: readonly number[], dims: readonly number[], type = this.type, name?: string): string {
    const label = name ?? `constant_${this.initializers.length}`;
    this.initializers.push(
      type === DataType.FLOAT
        ? makeTensor(label, DataType.FLOAT, dims, Float32Array.from(values))
        : makeTensor(label, DataType.FLOAT16, dims, Uint16Array.from(values, numberToHalf)),
    );
    return label;
  }

  /** `-1` to `1`. */
  random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return (this.#state / 2 ** 32) * 2 - 1;
  }

  randoms(count: number, size = 1): number[] {
    return Array.from({ length: count }, () => this.random() * size);
  }

  /** Multiplies by a random matrix of `k` rows and `n` columns. */
  linear(input: string, k: number, n: number): string {
    const values = this.randoms(k * n, 1.5 / Math.sqrt(k));
    switch (this.weights) {
      case 'fp32':
      case 'fp16':
        return this.op('MatMul', [input, this.constant(values, [k, n])]);
      case 'dynamic':
        return this.#dynamic(input, values, k, n);
      default:
        return this.#bits(input, k, n, this.weights === 'q4' ? 4 : 8);
    }
  }

  #bits(input: string, K: number, N: number, bits: 4 | 8): string {
    const block = 16;
    const blocks = K / block;
    const id = this.initializers.length;
    const bytes = Uint8Array.from({ length: (N * K * bits) / 8 }, () =>
      Math.floor((this.random() + 1) * 128),
    );
    const scale = (bits === 4 ? 0.2 : 0.012) / Math.sqrt(K / 16);
    this.initializers.push(
      makeTensor(`w${id}`, DataType.UINT8, [N, blocks, (block * bits) / 8], bytes),
      makeTensor(`s${id}`, DataType.FLOAT, [N * blocks], Float32Array.from(this.randoms(N * blocks, scale))),
    );
    return this.op('MatMulNBits', [input, `w${id}`, `s${id}`], {
      K: int(K),
      N: int(N),
      bits: int(bits),
      block_size: int(block),
      accuracy_level: int(this.weights === 'q8-accuracy-4' ? 4 : 0),
    });
  }

  #dynamic(input: string, values: readonly number[], k: number, n: number): string {
    const scale = 1.5 / Math.sqrt(k) / 127;
    const id = this.initializers.length;
    this.initializers.push(
      makeTensor(
        `w${id}`,
        DataType.INT8,
        [k, n],
        Int8Array.from(values, (value) => Math.round(value / scale)),
      ),
    );
    const [quantized, scaleOf, zero] = this.many(
      'DynamicQuantizeLinear',
      [input],
      [`q${id}`, `scale${id}`, `zero${id}`],
    ) as [string, string, string];
    const product = this.op('Cast', [this.op('MatMulInteger', [quantized, `w${id}`, zero])], {
      to: int(DataType.FLOAT),
    });
    return this.op('Mul', [product, this.op('Mul', [scaleOf, this.constant([scale], [1])])]);
  }

  norm(input: string, size: number): string {
    const weight = this.constant(
      this.randoms(size).map((value) => 1 + value / 4),
      [size],
    );
    return this.op('SimplifiedLayerNormalization', [input, weight], { epsilon: float(1e-5), axis: int(-1) });
  }

  model(inputs: readonly ValueInfoProto[], outputs: readonly ValueInfoProto[]): ModelProto {
    return makeModel({ nodes: this.nodes, initializers: this.initializers, inputs, outputs });
  }
}

const MICROSOFT_OPS = new Set([
  'GroupQueryAttention',
  'MultiHeadAttention',
  'MatMulNBits',
  'RotaryEmbedding',
  'FusedMatMul',
]);
