import {
  DataType,
  float,
  int,
  int64Tensor,
  valueInfo,
  type ModelProto,
  type ValueInfoProto,
} from '../../src/engine/onnx/proto/index.js';
import { GraphBuilder, type WeightKind } from './graph-builder.js';
import { RMS_EPSILON, ROPE_THETA, headDim, type ModelShape } from './shape.js';
import { randomEmbedding, randomLinear } from './weights.js';

/** What the hidden state is between two layers. */
interface Stream {
  /** Before the norm: what the next layer adds to. */
  readonly residual: string;
  /** After it: what the next layer reads. */
  readonly normed: string;
}

const KEY_VALUE = ['key', 'value'] as const;

/**
 * A Llama-shaped decoder with random weights, as the hub has it for Transformers.js: GroupQueryAttention with the rotary
 * embedding inside, `past_key_values.*` in, `present.*` out. Dimensions have the names by which Transformers.js finds them.
 */
export function buildLlama(shape: ModelShape, kind: WeightKind): ModelProto {
  const graph = new GraphBuilder(kind);
  const embedding = randomEmbedding(shape.vocab, shape.hidden);
  addLengths(graph);
  addRotary(graph, shape);
  const table = graph.floats('embedding', [shape.vocab, shape.hidden], embedding.values);
  const embedded = graph.node('Gather', [table, 'input_ids'], 'embedded');
  let stream: Stream = { residual: embedded, normed: addFirstNorm(graph, shape, embedded) };
  for (let layer = 0; layer < shape.layers; layer++) {
    stream = addFeedForward(graph, shape, layer, addAttention(graph, shape, layer, stream));
  }
  // tied, as in the models of this size: the embedding again
  graph.node('Identity', [graph.linear(stream.normed, 'lm_head', embedding)], 'logits');
  return graph.build(inputsOf(shape), outputsOf(shape));
}

function inputsOf(shape: ModelShape): ValueInfoProto[] {
  return [
    valueInfo('input_ids', DataType.INT64, ['batch_size', 'sequence_length']),
    valueInfo('attention_mask', DataType.INT64, ['batch_size', 'total_sequence_length']),
    ...cacheInfo(shape, 'past_key_values', 'past_sequence_length'),
  ];
}

function outputsOf(shape: ModelShape): ValueInfoProto[] {
  return [
    valueInfo('logits', DataType.FLOAT, ['batch_size', 'sequence_length', shape.vocab]),
    ...cacheInfo(shape, 'present', 'total_sequence_length'),
  ];
}

function cacheInfo(shape: ModelShape, prefix: string, length: string): ValueInfoProto[] {
  const dims = ['batch_size', shape.kvHeads, length, headDim(shape)];
  return Array.from({ length: shape.layers }, (_, layer) =>
    KEY_VALUE.map((part) => valueInfo(`${prefix}.${layer}.${part}`, DataType.FLOAT, dims)),
  ).flat();
}

/** What GroupQueryAttention wants to know of the lengths, from the attention mask. */
function addLengths(graph: GraphBuilder): void {
  const axis = graph.initializer(int64Tensor('axis_1', [1]));
  const one = graph.initializer(int64Tensor('one', [1]));
  graph.node('ReduceSum', ['attention_mask', axis], 'mask_sum', { keepdims: int(0) });
  graph.node('Sub', ['mask_sum', one], 'lengths_less_one');
  graph.node('Cast', ['lengths_less_one'], 'seqlens_k', { to: int(DataType.INT32) });
  graph.node('Shape', ['attention_mask'], 'mask_shape');
  const index = graph.initializer(int64Tensor('index_1', [1], []));
  graph.node('Gather', ['mask_shape', index], 'total_length_int64', { axis: int(0) });
  graph.node('Cast', ['total_length_int64'], 'total_sequence_length', { to: int(DataType.INT32) });
}

function addRotary(graph: GraphBuilder, shape: ModelShape): void {
  const half = headDim(shape) / 2;
  const angles = Float64Array.from(
    { length: shape.context * half },
    (_, i) => Math.floor(i / half) / ROPE_THETA ** ((i % half) / half),
  );
  graph.floats('cos_cache', [shape.context, half], Float32Array.from(angles, Math.cos));
  graph.floats('sin_cache', [shape.context, half], Float32Array.from(angles, Math.sin));
}

function addFirstNorm(graph: GraphBuilder, { hidden }: ModelShape, input: string): string {
  const attributes = { epsilon: float(RMS_EPSILON), axis: int(-1) };
  return graph.node(
    'SimplifiedLayerNormalization',
    [input, ones(graph, 'norm', hidden)],
    'normed',
    attributes,
  );
}

function addAttention(
  graph: GraphBuilder,
  shape: ModelShape,
  layer: number,
  { residual, normed }: Stream,
): Stream {
  const { hidden, heads, kvHeads } = shape;
  const prefix = `layers.${layer}.attn`;
  const project = (name: string, outputs: number): string =>
    graph.linear(normed, `${prefix}.${name}`, randomLinear(`${prefix}.${name}`, outputs, hidden));
  const kvSize = kvHeads * headDim(shape);
  const projected = [project('q', hidden), project('k', kvSize), project('v', kvSize)];
  const past = KEY_VALUE.map((part) => `past_key_values.${layer}.${part}`);
  graph.microsoftNode(
    'GroupQueryAttention',
    [...projected, ...past, 'seqlens_k', 'total_sequence_length', 'cos_cache', 'sin_cache'],
    [prefix, ...KEY_VALUE.map((part) => `present.${layer}.${part}`)],
    {
      num_heads: int(heads),
      kv_num_heads: int(kvHeads),
      do_rotary: int(1),
      scale: float(1 / Math.sqrt(headDim(shape))),
    },
  );
  const output = graph.linear(prefix, `${prefix}.o`, randomLinear(`${prefix}.o`, hidden, hidden));
  return addSkipNorm(graph, shape, prefix, residual, output);
}

function addFeedForward(
  graph: GraphBuilder,
  shape: ModelShape,
  layer: number,
  { residual, normed }: Stream,
): Stream {
  const { hidden, intermediate } = shape;
  const prefix = `layers.${layer}.mlp`;
  const linear = (input: string, name: string, outputs: number, inputs: number): string =>
    graph.linear(input, `${prefix}.${name}`, randomLinear(`${prefix}.${name}`, outputs, inputs));
  const gate = linear(normed, 'gate', intermediate, hidden);
  const up = linear(normed, 'up', intermediate, hidden);
  const sigmoid = graph.node('Sigmoid', [gate], `${prefix}.sigmoid`);
  const silu = graph.node('Mul', [gate, sigmoid], `${prefix}.silu`);
  const gated = graph.node('Mul', [silu, up], `${prefix}.gated`);
  return addSkipNorm(graph, shape, prefix, residual, linear(gated, 'down', hidden, intermediate));
}

/** Adds what a layer made to the residual, and norms the sum. */
function addSkipNorm(
  graph: GraphBuilder,
  { hidden }: ModelShape,
  prefix: string,
  residual: string,
  added: string,
): Stream {
  const stream = { residual: `${prefix}.residual`, normed: `${prefix}.normed` };
  graph.microsoftNode(
    'SkipSimplifiedLayerNormalization',
    [residual, added, ones(graph, `${prefix}.norm`, hidden)],
    [stream.normed, '', '', stream.residual],
    { epsilon: float(RMS_EPSILON) },
  );
  return stream;
}

function ones(graph: GraphBuilder, name: string, size: number): string {
  return graph.floats(name, [size], new Float32Array(size).fill(1));
}
