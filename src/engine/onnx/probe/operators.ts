import { intOf } from '../graph-view.js';
import type { NodeProto } from '../proto/index.js';
import { ARITHMETIC } from './arithmetic.js';
import type { Operator, Operators } from './operator.js';
import { STRUCTURE } from './structure.js';
import { unknown, type ProbeTensor } from './tensor.js';

/** Only the dimensions are known: those of the first input. */
const likeFirst: Operator = (node, [a]) => node.output.map(() => unknown(a!.dims));

const lastDimension =
  (size: (node: NodeProto, inputs: readonly (ProbeTensor | undefined)[]) => number): Operator =>
  (node, inputs) => [unknown([...inputs[0]!.dims.slice(0, -1), size(node, inputs)])];

/** Operators whose results stay unknown, but not their dimensions; nor do their weights matter but for these. */
export const VAGUE_OPERATORS: Operators = {
  ...Object.fromEntries(
    [
      'BiasGelu',
      'BitwiseNot',
      'DequantizeLinear',
      'Elu',
      'Erf',
      'FastGelu',
      'Gelu',
      'LayerNormalization',
      'LeakyRelu',
      'QuickGelu',
      'RMSNormalization',
      'Relu',
      'RotaryEmbedding',
      'Sigmoid',
      'SimplifiedLayerNormalization',
      'SkipLayerNormalization',
      'SkipSimplifiedLayerNormalization',
      'Softplus',
    ].map((name) => [name, likeFirst]),
  ),
  DynamicQuantizeLinear: (_, [a]) => [unknown(a!.dims), unknown([]), unknown([])],
  MatMulNBits: lastDimension((node) => intOf(node, 'N', 0)),
  DynamicQuantizeMatMul: lastDimension((_, inputs) => inputs[1]!.dims.at(-1)!),
  MatMulInteger: lastDimension((_, inputs) => inputs[1]!.dims.at(-1)!),
  MatMulIntegerToFloat: lastDimension((_, inputs) => inputs[1]!.dims.at(-1)!),
  Gemm: (node, [a, b]) => [
    unknown([
      a!.dims[intOf(node, 'transA', 0) === 1 ? 1 : 0]!,
      b!.dims[intOf(node, 'transB', 0) === 1 ? 0 : 1]!,
    ]),
  ],
};

export const OPERATORS: Operators = { ...STRUCTURE, ...ARITHMETIC };
