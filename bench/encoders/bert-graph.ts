import {
  DataType,
  float,
  int,
  int64Tensor,
  ints,
  valueInfo,
  type ModelProto,
} from '../../src/engine/onnx/proto/index.js';
import { GraphBuilder, type WeightKind } from '../model/graph-builder.js';
import { randomLinear, type Matrix } from '../model/weights.js';

/** The sizes of a BERT-like encoder. */
export interface BertShape {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly vocab: number;
  /** Most tokens of one input. */
  readonly context: number;
  /** Of a classifier; undefined: the graph returns the last hidden state. */
  readonly labels?: number;
}

const NORM_EPSILON = 1e-12;
/** Added to a score, it makes its probability 0. */
const MASKED = -1e9;

/** A BERT-like encoder with random weights, with the inputs and outputs that Transformers.js knows. */
export function buildBert(shape: BertShape, kind: WeightKind): ModelProto {
  const graph = new GraphBuilder(kind);
  addMask(graph);
  addShapes(graph, shape);
  let hidden = addEmbeddings(graph, shape);
  for (let layer = 0; layer < shape.layers; layer++) {
    hidden = addFeedForward(graph, shape, layer, addAttention(graph, shape, layer, hidden));
  }
  const names = ['input_ids', 'attention_mask', 'token_type_ids'];
  const inputs = names.map((name) => valueInfo(name, DataType.INT64, ['batch_size', 'sequence_length']));
  if (shape.labels === undefined) {
    graph.node('Identity', [hidden], 'last_hidden_state');
    const dims = ['batch_size', 'sequence_length', shape.hidden];
    return graph.build(inputs, [valueInfo('last_hidden_state', DataType.FLOAT, dims)]);
  }
  addClassifier(graph, shape, shape.labels, hidden);
  return graph.build(inputs, [valueInfo('logits', DataType.FLOAT, ['batch_size', shape.labels])]);
}

/** `[rows, 1, 1, width]`: 0 for a token, a large negative number for padding. */
function addMask(graph: GraphBuilder): void {
  graph.node('Cast', ['attention_mask'], 'mask_float', { to: int(DataType.FLOAT) });
  graph.floats('one', [], Float32Array.of(1));
  graph.floats('masked', [], Float32Array.of(MASKED));
  graph.node('Sub', ['one', 'mask_float'], 'mask_inverse');
  graph.node('Mul', ['mask_inverse', 'masked'], 'mask_scores');
  graph.node('Unsqueeze', ['mask_scores', graph.initializer(int64Tensor('axes_1_2', [1, 2]))], 'mask');
}

function addShapes(graph: GraphBuilder, { hidden, heads }: BertShape): void {
  graph.initializer(int64Tensor('split_heads', [0, 0, heads, hidden / heads]));
  graph.initializer(int64Tensor('join_heads', [0, 0, hidden]));
  graph.floats('head_scale', [], Float32Array.of(1 / Math.sqrt(hidden / heads)));
}

function addEmbeddings(graph: GraphBuilder, shape: BertShape): string {
  const { hidden, vocab, context } = shape;
  const table = (name: string, rows: number): string =>
    graph.floats(name, [rows, hidden], randomLinear(name, rows, hidden).values);
  const words = graph.node('Gather', [table('words', vocab), 'input_ids'], 'words_out');
  const types = graph.node('Gather', [table('types', 2), 'token_type_ids'], 'types_out');
  graph.node('Shape', ['input_ids'], 'input_shape');
  graph.node('Gather', ['input_shape', graph.initializer(int64Tensor('index_1', [1], []))], 'width');
  const zero = graph.initializer(int64Tensor('zero', [0], []));
  const step = graph.initializer(int64Tensor('step', [1], []));
  graph.node('Range', [zero, 'width', step], 'position_ids');
  const positions = graph.node('Gather', [table('positions', context), 'position_ids'], 'positions_out');
  graph.node('Add', [words, types], 'embedded_types');
  graph.node('Add', ['embedded_types', positions], 'embedded');
  return addNorm(graph, shape, 'embedded');
}

function addAttention(graph: GraphBuilder, shape: BertShape, layer: number, hidden: string): string {
  const prefix = `layers.${layer}.attn`;
  const part = (name: string, perm: readonly number[]): string => {
    const projected = addLinear(graph, hidden, `${prefix}.${name}`, shape.hidden, shape.hidden);
    const split = graph.node('Reshape', [projected, 'split_heads'], `${prefix}.${name}.split`);
    return graph.node('Transpose', [split], `${prefix}.${name}.heads`, { perm: ints(perm) });
  };
  const query = part('q', [0, 2, 1, 3]);
  const key = part('k', [0, 2, 3, 1]);
  const value = part('v', [0, 2, 1, 3]);
  graph.node('MatMul', [query, key], `${prefix}.products`);
  graph.node('Mul', [`${prefix}.products`, 'head_scale'], `${prefix}.scaled`);
  graph.node('Add', [`${prefix}.scaled`, 'mask'], `${prefix}.scores`);
  graph.node('Softmax', [`${prefix}.scores`], `${prefix}.shares`, { axis: int(-1) });
  graph.node('MatMul', [`${prefix}.shares`, value], `${prefix}.read`);
  graph.node('Transpose', [`${prefix}.read`], `${prefix}.rows`, { perm: ints([0, 2, 1, 3]) });
  const joined = graph.node('Reshape', [`${prefix}.rows`, 'join_heads'], `${prefix}.joined`);
  const output = addLinear(graph, joined, `${prefix}.o`, shape.hidden, shape.hidden);
  return addNorm(graph, shape, graph.node('Add', [hidden, output], `${prefix}.sum`));
}

function addFeedForward(graph: GraphBuilder, shape: BertShape, layer: number, hidden: string): string {
  const prefix = `layers.${layer}.mlp`;
  const up = addLinear(graph, hidden, `${prefix}.up`, shape.intermediate, shape.hidden);
  graph.microsoftNode('Gelu', [up], [`${prefix}.gelu`]);
  const down = addLinear(graph, `${prefix}.gelu`, `${prefix}.down`, shape.hidden, shape.intermediate);
  return addNorm(graph, shape, graph.node('Add', [hidden, down], `${prefix}.sum`));
}

/** Of the first token's vector. */
function addClassifier(graph: GraphBuilder, shape: BertShape, labels: number, hidden: string): void {
  const first = graph.node('Gather', [hidden, 'zero'], 'first_token', { axis: int(1) });
  const pooled = graph.node(
    'Tanh',
    [addLinear(graph, first, 'pooler', shape.hidden, shape.hidden)],
    'pooled',
  );
  graph.node('Identity', [addLinear(graph, pooled, 'classifier', labels, shape.hidden)], 'logits');
}

function addLinear(
  graph: GraphBuilder,
  input: string,
  name: string,
  outputs: number,
  inputs: number,
): string {
  const product = graph.linear(input, name, spread(randomLinear(name, outputs, inputs)));
  const bias = graph.floats(
    `${name}.bias`,
    [outputs],
    randomLinear(`${name}.bias`, outputs, 16).values.slice(0, outputs),
  );
  return graph.node('Add', [product, bias], `${name}.biased`);
}

/** Larger than what keeps the size of the values, so that a text's vector depends on all of its tokens. */
function spread(matrix: Matrix): Matrix {
  return { ...matrix, values: matrix.values.map((value) => value * 2) };
}

function addNorm(graph: GraphBuilder, { hidden }: BertShape, input: string): string {
  const scale = graph.floats(`${input}.scale`, [hidden], new Float32Array(hidden).fill(1));
  const bias = graph.floats(`${input}.shift`, [hidden], new Float32Array(hidden));
  return graph.node('LayerNormalization', [input, scale, bias], `${input}.normed`, {
    axis: int(-1),
    epsilon: float(NORM_EPSILON),
  });
}
