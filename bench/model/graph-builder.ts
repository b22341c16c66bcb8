import {
  DataType,
  MICROSOFT,
  int,
  makeModel,
  makeNode,
  makeTensor,
  type AttributeProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../src/engine/onnx/proto/index.js';
import { BLOCK, quantizeBlocks, quantizeColumns, transpose } from './quantize.js';
import type { Matrix } from './weights.js';

/**
 * How the weights of the linear layers are stored.
 * - `q8`: MatMulNBits, 8 bits, blocks of 32; what a row makes doesn't depend on its neighbours
 * - `i8`: DynamicQuantizeMatMul, int8 with a scale per output; what most `model_quantized.onnx` on the hub are
 * - `fp32`: MatMul
 */
export type WeightKind = 'q8' | 'i8' | 'fp32';

type Attributes = Readonly<Record<string, Omit<AttributeProto, 'name'>>>;

/** Collects the nodes and initializers of a graph, in the order in which they run. */
export class GraphBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #kind: WeightKind;

  constructor(kind: WeightKind) {
    this.#kind = kind;
  }

  /** A node of the standard operators with one output. @returns the output's name */
  node(opType: string, inputs: readonly string[], output: string, attributes: Attributes = {}): string {
    this.#nodes.push(makeNode(opType, inputs, [output], attributes));
    return output;
  }

  /** A node of ONNX Runtime's own operators. */
  microsoftNode(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Attributes = {},
  ): void {
    this.#nodes.push(makeNode(opType, inputs, outputs, attributes, MICROSOFT));
  }

  initializer(tensor: TensorProto): string {
    this.#initializers.push(tensor);
    return tensor.name;
  }

  floats(name: string, dims: readonly number[], values: Float32Array): string {
    return this.initializer(makeTensor(name, DataType.FLOAT, dims, values));
  }

  /** A linear layer, in the kind of weights that this graph has. */
  linear(input: string, name: string, weights: Matrix): string {
    const output = `${name}_out`;
    switch (this.#kind) {
      case 'q8':
        return this.#blockLinear(input, name, output, weights);
      case 'i8':
        return this.#dynamicLinear(input, name, output, weights);
      case 'fp32':
        this.floats(`${name}.weight`, [weights.inputs, weights.outputs], transpose(weights));
        return this.node('MatMul', [input, `${name}.weight`], output);
      default:
        return this.#kind satisfies never;
    }
  }

  build(inputs: readonly ValueInfoProto[], outputs: readonly ValueInfoProto[]): ModelProto {
    return makeModel({ nodes: this.#nodes, initializers: this.#initializers, inputs, outputs });
  }

  #blockLinear(input: string, name: string, output: string, weights: Matrix): string {
    const { outputs, inputs } = weights;
    const { values, scales } = quantizeBlocks(weights);
    const quantized = makeTensor(
      `${name}.quantized`,
      DataType.UINT8,
      [outputs, inputs / BLOCK, BLOCK],
      values,
    );
    this.microsoftNode(
      'MatMulNBits',
      [input, this.initializer(quantized), this.floats(`${name}.scales`, [scales.length], scales)],
      [output],
      { K: int(inputs), N: int(outputs), bits: int(8), block_size: int(BLOCK), accuracy_level: int(4) },
    );
    return output;
  }

  #dynamicLinear(input: string, name: string, output: string, weights: Matrix): string {
    const { outputs, inputs } = weights;
    const { values, scales } = quantizeColumns(weights);
    const zeros = new Int8Array(outputs);
    this.microsoftNode(
      'DynamicQuantizeMatMul',
      [
        input,
        this.initializer(makeTensor(`${name}.quantized`, DataType.INT8, [inputs, outputs], values)),
        this.floats(`${name}.scales`, [outputs], scales),
        this.initializer(makeTensor(`${name}.zeros`, DataType.INT8, [outputs], zeros)),
      ],
      [output],
    );
    return output;
  }
}
