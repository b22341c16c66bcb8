import { DataType, valueInfo, type ModelProto } from '../../../../src/engine/onnx/proto/index.js';
import { GraphMaker, type Weights } from './graph-maker.js';

/** Sizes of a tiny decoder. */
export interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly layers: number;
  readonly vocabSize: number;
  /** Rows of the tables of positions. */
  readonly maxPositions: number;
}

export const SHAPE: Shape = { heads: 4, kvHeads: 2, headDim: 16, layers: 2, vocabSize: 48, maxPositions: 64 };

/** One layer's attention over normed hidden states; it has to make `present.{layer}.key` and `.value`. */
export type EmitAttention = (graph: GraphMaker, normed: string, layer: number) => string;

export interface DecoderOptions {
  readonly shape: Shape;
  readonly weights: Weights;
  readonly positionIds: boolean;
  readonly attention: EmitAttention;
  /** Adds to the hidden states before the first layer. */
  readonly embedPositions?: (graph: GraphMaker, embedded: string) => string;
  /** Stands between the last projection and the logits. */
  readonly finish?: (graph: GraphMaker, logits: string) => string;
  readonly transposedKeys?: boolean;
  readonly extraInputs?: readonly ReturnType<typeof valueInfo>[];
}

/** A decoder of random weights around some attention: embedding, norms, residuals, a feed-forward net, projection. */
export function makeDecoder(graph: GraphMaker, options: DecoderOptions): ModelProto {
  const { shape, positionIds, attention, embedPositions, finish, transposedKeys, extraInputs = [] } = options;
  const { heads, kvHeads, headDim, layers, vocabSize } = shape;
  const hidden = heads * headDim;
  const { type } = graph;
  const embedding = graph.constant(graph.randoms(vocabSize * hidden), [vocabSize, hidden]);
  let x = graph.op('Gather', [embedding, 'input_ids']);
  if (embedPositions) x = embedPositions(graph, x);
  for (let layer = 0; layer < layers; layer++) {
    const attended = graph.linear(attention(graph, graph.norm(x, hidden), layer), hidden, hidden);
    x = graph.op('Add', [x, attended]);
    const up = graph.linear(graph.norm(x, hidden), hidden, hidden);
    x = graph.op('Add', [x, graph.linear(graph.op('Sigmoid', [up]), hidden, hidden)]);
  }
  const logits = graph.linear(graph.norm(x, hidden), hidden, vocabSize);
  graph.op('Identity', [finish ? finish(graph, logits) : logits], {}, 'logits');
  const caches = Array.from({ length: layers }, (_, l) => [`${l}.key`, `${l}.value`]).flat();
  const cache = (prefix: string, length: string) =>
    caches.map((name) =>
      valueInfo(
        `${prefix}.${name}`,
        type,
        transposedKeys === true && name.endsWith('key')
          ? ['batch_size', kvHeads, headDim, length]
          : ['batch_size', kvHeads, length, headDim],
      ),
    );
  const tokens = ['batch_size', 'sequence_length'];
  return graph.model(
    [
      valueInfo('input_ids', DataType.INT64, tokens),
      valueInfo('attention_mask', DataType.INT64, ['batch_size', 'total_sequence_length']),
      ...(positionIds ? [valueInfo('position_ids', DataType.INT64, tokens)] : []),
      ...extraInputs,
      ...cache('past_key_values', 'past_sequence_length'),
    ],
    [valueInfo('logits', type, [...tokens, vocabSize]), ...cache('present', 'total_sequence_length')],
  );
}

/** Cosines and sines of rotary embedding: `maxPositions` rows of `dims / 2`. */
export function rotaryTables(graph: GraphMaker, rows: number, dims: number): [cos: string, sin: string] {
  const half = dims / 2;
  const angles = Array.from(
    { length: rows * half },
    (_, i) => Math.floor(i / half) * 100 ** (-(i % half) / half),
  );
  return [
    graph.constant(angles.map(Math.cos), [rows, half]),
    graph.constant(angles.map(Math.sin), [rows, half]),
  ];
}
