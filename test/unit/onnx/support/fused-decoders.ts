import {
  DataType,
  float,
  int,
  type AttributeValue,
  type ModelProto,
} from '../../../../src/engine/onnx/proto/index.js';
import { GraphMaker, type Weights } from './graph-maker.js';
import { makeDecoder, rotaryTables, SHAPE, type Shape } from './tiny-decoder.js';

export interface GroupQueryOptions {
  readonly shape?: Partial<Shape>;
  readonly weights?: Weights;
  /** Rotary embedding by the attention operator, or by nodes before it. */
  readonly rotary?: 'inside' | 'outside';
  readonly packed?: boolean;
  /** Dimensions of a head that are rotated; all without it. */
  readonly rotaryDims?: number;
  readonly interleaved?: boolean;
  readonly softcap?: number;
  readonly scale?: number;
  /** Attributes that the rewriter may or may not know. */
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Inputs number 9 and on. */
  readonly inputs?: readonly string[];
  readonly seed?: number;
}

/** A decoder with `GroupQueryAttention`, as current exports have it. */
export function groupQueryDecoder(options: GroupQueryOptions = {}): ModelProto {
  const {
    weights = 'fp32',
    rotary = 'inside',
    packed = false,
    interleaved = false,
    softcap,
    scale,
    seed,
  } = options;
  const shape = { ...SHAPE, ...options.shape };
  const { heads, kvHeads, headDim, maxPositions } = shape;
  const [hidden, kvHidden] = [heads * headDim, kvHeads * headDim];
  const rotaryDims = options.rotaryDims ?? headDim;
  const graph = new GraphMaker(weights, seed);
  const [cos, sin] = rotaryTables(graph, maxPositions, rotaryDims);
  // called what the rewritten graph calls an input
  graph.op(
    'Sub',
    [graph.op('ReduceSum', ['attention_mask', graph.ints([1])], { keepdims: int(0) }), graph.ints([1])],
    {},
    'last',
  );
  const lengths = graph.op('Cast', ['last'], { to: int(DataType.INT32) });
  const total = graph.op(
    'Cast',
    [graph.op('Gather', [graph.op('Shape', ['attention_mask']), graph.ints([1], [])])],
    { to: int(DataType.INT32) },
  );
  const rotate = (input: string, count: number) =>
    graph.op('RotaryEmbedding', [input, 'position_ids', cos, sin], {
      interleaved: int(interleaved ? 1 : 0),
      num_heads: int(count),
      rotary_embedding_dim: int(rotaryDims === headDim ? 0 : rotaryDims),
    });
  return makeDecoder(graph, {
    shape,
    weights,
    positionIds: rotary === 'outside',
    attention: (_, normed, layer) => {
      const projections = packed
        ? [graph.linear(normed, hidden, hidden + 2 * kvHidden), '', '']
        : [
            graph.linear(normed, hidden, hidden),
            graph.linear(normed, hidden, kvHidden),
            graph.linear(normed, hidden, kvHidden),
          ];
      const [query, key, value] = projections as [string, string, string];
      const rotated =
        rotary === 'outside' ? [rotate(query, heads), rotate(key, kvHeads), value] : [query, key, value];
      const past = [`past_key_values.${layer}.key`, `past_key_values.${layer}.value`];
      return graph.many(
        'GroupQueryAttention',
        [
          ...rotated,
          ...past,
          lengths,
          total,
          ...(rotary === 'inside' ? [cos, sin] : []),
          ...(options.inputs ?? []),
        ],
        [`attended.${layer}`, `present.${layer}.key`, `present.${layer}.value`],
        {
          num_heads: int(heads),
          kv_num_heads: int(kvHeads),
          do_rotary: int(rotary === 'inside' ? 1 : 0),
          rotary_interleaved: int(interleaved ? 1 : 0),
          ...(scale === undefined ? {} : { scale: float(scale) }),
          ...(softcap === undefined ? {} : { softcap: float(softcap) }),
          ...options.attributes,
        },
      )[0]!;
    },
  });
}

type BiasKind = 'causal' | 'none' | 'unidirectional' | 'window' | 'open';

/** A decoder with `MultiHeadAttention` and the causal mask as its bias. */
export function multiHeadDecoder({ bias }: { bias: BiasKind }): ModelProto {
  const shape = { ...SHAPE, kvHeads: SHAPE.heads };
  const { heads, headDim, maxPositions } = shape;
  const hidden = heads * headDim;
  const graph = new GraphMaker('fp32');
  const [cos, sin] = rotaryTables(graph, maxPositions, headDim);
  const mask = makeBias(graph, bias);
  const rotate = (input: string) =>
    graph.op('RotaryEmbedding', [input, 'position_ids', cos, sin], { num_heads: int(heads) });
  return makeDecoder(graph, {
    shape,
    weights: 'fp32',
    positionIds: true,
    attention: (_, normed, layer) => {
      const [query, key, value] = [0, 1, 2].map(() => graph.linear(normed, hidden, hidden)) as [
        string,
        string,
        string,
      ];
      const past = [`past_key_values.${layer}.key`, `past_key_values.${layer}.value`];
      return graph.many(
        'MultiHeadAttention',
        [rotate(query), rotate(key), value, '', '', mask, ...past],
        [`attended.${layer}`, `present.${layer}.key`, `present.${layer}.value`],
        { num_heads: int(heads), ...(bias === 'unidirectional' ? { unidirectional: int(1) } : {}) },
      )[0]!;
    },
  });
}

function makeBias(graph: GraphMaker, kind: BiasKind): string {
  switch (kind) {
    case 'causal':
      return positionMask(graph);
    case 'window':
      return positionMask(graph, 1000);
    case 'open':
      return graph.op('Mul', [positionMask(graph), graph.constant([0], [])]);
    default:
      return '';
  }
}

/** `[1, 1, new, total]`, 0 or the lowest number: what causality allows, and with a `window` only that many tokens back. */
export function positionMask(graph: GraphMaker, window?: number): string {
  const size = (input: string) => graph.op('Gather', [graph.op('Shape', [input]), graph.ints([1], [])]);
  const zero = graph.ints([0], []);
  const one = graph.ints([1], []);
  const total = size('attention_mask');
  const columns = graph.op('Range', [zero, total, one]);
  const fresh = size('input_ids');
  const own = graph.op('Add', [graph.op('Range', [zero, fresh, one]), graph.op('Sub', [total, fresh])]);
  const rows = graph.op('Unsqueeze', [own, graph.ints([1])]);
  let seen = graph.op('LessOrEqual', [columns, rows]);
  if (window !== undefined) {
    const recent = graph.op('Greater', [columns, graph.op('Sub', [rows, graph.ints([window], [])])]);
    seen = graph.op('And', [seen, recent]);
  }
  const hidden = graph.constant([-3.4e38], []);
  const mask = graph.op('Where', [seen, graph.constant([0], []), hidden]);
  return graph.op('Unsqueeze', [mask, graph.ints([0, 1])]);
}
