import { DataType, int, ints, makeTensor, type ModelProto } from '../../../../src/engine/onnx/proto/index.js';
import { positionMask } from './fused-decoders.js';
import { GraphMaker, type Weights } from './graph-maker.js';
import { makeDecoder, rotaryTables, SHAPE, type Shape } from './tiny-decoder.js';

export interface ConcatOptions {
  readonly shape?: Partial<Shape>;
  readonly weights?: Weights;
  /** How keys and values get from their heads to the query's. */
  readonly repeat?: 'expand' | 'concat' | 'tile' | 'none' | 'wrong';
  readonly mask?: 'trilu' | 'positions' | 'window' | 'alibi' | 'none';
  /** Where the scores are scaled: a constant, or factors on queries and keys computed from their shape. */
  readonly scale?: 'mul' | 'div' | 'shape';
  readonly softcap?: number;
  /** The guard that exporters put behind the softmax, for rows that see nothing. */
  readonly guard?: boolean;
  /** `position_ids`: an input, or made of the mask, or of the past's length. */
  readonly positions?: 'input' | 'mask' | 'past';
  /** Rotary tables that are cut to the length before they are picked from. */
  readonly tables?: boolean;
  readonly transposedKeys?: boolean;
}

/**
 * A decoder whose attention is spelled out the way exporters of PyTorch models do it: shapes computed in the graph, rotary embedding
 * by halves, `Concat` with the past.
 */
export function concatDecoder(options: ConcatOptions = {}): ModelProto {
  const { weights = 'fp32', positions = 'input', tables = false, transposedKeys = false, softcap } = options;
  const shape = { ...SHAPE, ...options.shape };
  const { heads, kvHeads, headDim } = shape;
  const graph = new GraphMaker(weights);
  const positionIds = makePositions(graph, positions);
  const [cos, sin] = tables ? tableAngles(graph, shape, positionIds) : angles(graph, headDim, positionIds);
  const mask = makeMask(graph, options.mask ?? 'trilu', heads);
  return makeDecoder(graph, {
    shape,
    weights,
    transposedKeys,
    positionIds: positions === 'input',
    attention: (_, normed, layer) => {
      const project = (count: number) =>
        split(graph, graph.linear(normed, heads * headDim, count * headDim), count, headDim);
      const query = rotateHalves(graph, project(heads), cos, sin, headDim);
      const key = rotateHalves(graph, project(kvHeads), cos, sin, headDim);
      const value = project(kvHeads);
      const keys = graph.op(
        'Concat',
        [`past_key_values.${layer}.key`, transposedKeys ? swapLast(graph, key) : key],
        { axis: int(transposedKeys ? 3 : 2) },
        `present.${layer}.key`,
      );
      const values = graph.op(
        'Concat',
        [`past_key_values.${layer}.value`, value],
        { axis: int(-2) },
        `present.${layer}.value`,
      );
      const spread = (input: string, sizes: readonly number[]) =>
        repeatHeads(graph, input, shape, options.repeat ?? 'expand', sizes);
      const spreadKeys = transposedKeys
        ? spread(keys, [headDim, 0])
        : swapLast(graph, spread(keys, [0, headDim]));
      let scores = scoresOf(graph, query, spreadKeys, headDim, options.scale ?? 'mul');
      if (softcap !== undefined) {
        const bounded = graph.op('Tanh', [graph.op('Div', [scores, graph.constant([softcap], [])])]);
        scores = graph.op('Mul', [bounded, graph.constant([softcap], [])]);
      }
      if (mask !== '') scores = graph.op('Add', [scores, mask]);
      const probabilities = guarded(
        graph,
        graph.op('Softmax', [scores], { axis: int(-1) }),
        options.guard ?? false,
      );
      const attended = graph.op('MatMul', [probabilities, spread(values, [0, headDim])]);
      return merge(graph, attended, heads * headDim);
    },
  });
}

/**
 * A decoder with learned positions, one key head for each head, and a table of booleans as its mask: GPT-2's way.
 * `local`: it sees 64 tokens back. `first`: number of the first position, 0 or 1.
 */
export function learnedPositionsDecoder({ local = false, first = 0 } = {}): ModelProto {
  const shape = { ...SHAPE, kvHeads: SHAPE.heads, maxPositions: 512 };
  const { heads, headDim, maxPositions } = shape;
  const hidden = heads * headDim;
  const graph = new GraphMaker('fp32');
  const seen = Uint8Array.from({ length: maxPositions ** 2 }, (_, i) => {
    const back = Math.floor(i / maxPositions) - (i % maxPositions);
    return Number(back >= 0 && (!local || back < 64));
  });
  graph.initializers.push(makeTensor('bias', DataType.BOOL, [1, 1, maxPositions, maxPositions], seen));
  const total = graph.op('Slice', [graph.op('Shape', ['attention_mask']), graph.ints([1]), graph.ints([2])]);
  const fresh = graph.op('Slice', [graph.op('Shape', ['input_ids']), graph.ints([1]), graph.ints([2])]);
  const rows = graph.op('Slice', ['bias', graph.op('Sub', [total, fresh]), total, graph.ints([2])]);
  const condition = graph.op('Slice', [rows, graph.ints([0]), total, graph.ints([3])]);
  return makeDecoder(graph, {
    shape,
    weights: 'fp32',
    positionIds: false,
    embedPositions: (_, embedded) => {
      const table = graph.constant(graph.randoms(maxPositions * hidden), [maxPositions, hidden]);
      return graph.op('Add', [
        embedded,
        graph.op('Gather', [table, first === 0 ? makePositions(graph, 'past') : countedFromOne(graph)]),
      ]);
    },
    attention: (_, normed, layer) => {
      const [query, key, value] = graph
        .many(
          'Split',
          [graph.linear(normed, hidden, 3 * hidden)],
          [0, 1, 2].map((i) => `qkv.${layer}.${i}`),
          { axis: int(2) },
        )
        .map((part) => split(graph, part, heads, headDim)) as [string, string, string];
      const append = (input: string, kind: string) =>
        graph.op(
          'Concat',
          [`past_key_values.${layer}.${kind}`, input],
          { axis: int(-2) },
          `present.${layer}.${kind}`,
        );
      const scores = scoresOf(graph, query, swapLast(graph, append(key, 'key')), headDim, 'div');
      const masked = graph.op('Where', [condition, scores, graph.constant([-3.4e38], [])]);
      const attended = graph.op('MatMul', [
        graph.op('Softmax', [masked], { axis: int(-1) }),
        append(value, 'value'),
      ]);
      return merge(graph, attended, hidden);
    },
  });
}

function dimension(graph: GraphMaker, input: string, axis: number): string {
  return graph.op('Gather', [graph.op('Shape', [input]), graph.ints([axis], [])]);
}

function makePositions(graph: GraphMaker, from: 'input' | 'mask' | 'past'): string {
  if (from === 'input') return 'position_ids';
  if (from === 'past') {
    const past = dimension(graph, 'past_key_values.0.value', 2);
    const end = graph.op('Add', [past, dimension(graph, 'input_ids', 1)]);
    return graph.op('Unsqueeze', [graph.op('Range', [past, end, graph.ints([1], [])]), graph.ints([0])]);
  }
  const all = graph.op('Sub', [
    graph.op('CumSum', ['attention_mask', graph.ints([1], [])]),
    graph.ints([1], []),
  ]);
  return ownColumns(graph, all);
}

function countedFromOne(graph: GraphMaker): string {
  return ownColumns(graph, graph.op('CumSum', ['attention_mask', graph.ints([1], [])]));
}

/** The last columns, those of the new tokens. */
function ownColumns(graph: GraphMaker, all: string): string {
  const start = graph.op('Neg', [graph.op('Unsqueeze', [dimension(graph, 'input_ids', 1), graph.ints([0])])]);
  return graph.op('Slice', [all, start, graph.ints([2 ** 40]), graph.ints([1])]);
}

/** `[batch, 1, new, headDim]` */
function angles(graph: GraphMaker, headDim: number, positionIds: string): [string, string] {
  const half = headDim / 2;
  const inverse = graph.constant(
    Array.from({ length: half }, (_, i) => 100 ** (-i / half)),
    [1, half, 1],
  );
  const places = graph.op('Cast', [graph.op('Unsqueeze', [positionIds, graph.ints([1])])], {
    to: int(graph.type),
  });
  const turns = graph.op('Transpose', [graph.op('MatMul', [inverse, places])], { perm: ints([0, 2, 1]) });
  const both = graph.op('Concat', [turns, turns], { axis: int(-1) });
  return ['Cos', 'Sin'].map((name) => graph.op('Unsqueeze', [graph.op(name, [both]), graph.ints([1])])) as [
    string,
    string,
  ];
}

/** The same from tables, which older exports cut to the length first. */
function tableAngles(
  graph: GraphMaker,
  { maxPositions, headDim }: Shape,
  positionIds: string,
): [string, string] {
  const total = graph.op('Add', [
    dimension(graph, 'past_key_values.0.key', 2),
    dimension(graph, 'input_ids', 1),
  ]);
  return rotaryTables(graph, maxPositions, headDim).map((table) => {
    const whole = graph.op('Unsqueeze', [
      graph.op('Concat', [table, table], { axis: int(-1) }),
      graph.ints([0]),
    ]);
    const constant = foldTable(graph, table, whole);
    const end = graph.op('Unsqueeze', [total, graph.ints([0])]);
    const cut = graph.op('Slice', [constant, graph.ints([0]), end, graph.ints([1]), graph.ints([1])]);
    const rows = graph.op('Squeeze', [cut, graph.ints([0])]);
    return graph.op('Unsqueeze', [graph.op('Gather', [rows, positionIds]), graph.ints([1])]);
  }) as [string, string];
}

/** The table twice side by side as one constant, `[1, rows, 2 * columns]`; the nodes that would compute it are taken back. */
function foldTable(graph: GraphMaker, table: string, whole: string): string {
  const at = graph.initializers.findIndex(({ name }) => name === table);
  const [tensor] = graph.initializers.splice(at, 1) as [(typeof graph.initializers)[number]];
  graph.nodes.splice(graph.nodes.findIndex(({ output }) => output[0] === whole) - 1, 2);
  const values = new Float32Array(tensor.rawData!.slice().buffer);
  const [rows, columns] = tensor.dims.map(Number) as [number, number];
  const doubled = Array.from({ length: rows }, (_, row) => {
    const part = [...values.subarray(row * columns, (row + 1) * columns)];
    return [...part, ...part];
  }).flat();
  return graph.constant(doubled, [1, rows, 2 * columns], DataType.FLOAT, `${table}.doubled`);
}

/** `[batch, new, count * headDim]` to `[batch, count, new, headDim]`, with sizes taken from the value itself. */
function split(graph: GraphMaker, input: string, count: number, headDim: number): string {
  const own = graph.op('Slice', [graph.op('Shape', [input]), graph.ints([0]), graph.ints([2])]);
  const dims = graph.op('Concat', [own, graph.ints([count, headDim])], { axis: int(0) });
  return graph.op('Transpose', [graph.op('Reshape', [input, dims])], { perm: ints([0, 2, 1, 3]) });
}

function merge(graph: GraphMaker, input: string, hidden: number): string {
  const tokensFirst = graph.op('Transpose', [input], { perm: ints([0, 2, 1, 3]) });
  return graph.op('Reshape', [tokensFirst, graph.ints([0, 0, hidden])]);
}

function swapLast(graph: GraphMaker, input: string): string {
  return graph.op('Transpose', [input], { perm: ints([0, 1, 3, 2]) });
}

function rotateHalves(graph: GraphMaker, input: string, cos: string, sin: string, headDim: number): string {
  const part = (from: number, to: number) =>
    graph.op('Slice', [input, graph.ints([from]), graph.ints([to]), graph.ints([3]), graph.ints([1])]);
  const turned = graph.op('Concat', [graph.op('Neg', [part(headDim / 2, 2 ** 40)]), part(0, headDim / 2)], {
    axis: int(-1),
  });
  return graph.op('Add', [graph.op('Mul', [input, cos]), graph.op('Mul', [turned, sin])]);
}

/** @param sizes - the last two dimensions; 0 is the length, which is taken from the value */
function repeatHeads(
  graph: GraphMaker,
  input: string,
  { heads, kvHeads }: Shape,
  how: NonNullable<ConcatOptions['repeat']>,
  sizes: readonly number[],
): string {
  const group = heads / kvHeads;
  if (how === 'none') return input;
  const [rows, columns] = sizes.map((size, i) =>
    size === 0 ? dimension(graph, input, i + 2) : graph.ints([size], []),
  );
  const list = (...parts: (string | undefined)[]) =>
    graph.op(
      'Concat',
      parts.map((part) => graph.op('Unsqueeze', [part!, graph.ints([0])])),
      { axis: int(0) },
    );
  const count = (value: number) => graph.ints([value], []);
  const batch = dimension(graph, input, 0);
  // the wrong way gives neighbouring heads different keys
  const axis = how === 'wrong' ? 1 : 2;
  const single = graph.op('Unsqueeze', [input, graph.ints([axis])]);
  const grouped = axis === 2 ? [count(kvHeads), count(group)] : [count(group), count(kvHeads)];
  const copies =
    how === 'concat'
      ? graph.op('Concat', Array<string>(group).fill(single), { axis: int(2) })
      : how === 'tile'
        ? graph.op('Tile', [single, graph.ints([1, 1, group, 1, 1])])
        : graph.op('Expand', [single, list(batch, ...grouped, rows, columns)]);
  return graph.op('Reshape', [copies, list(batch, count(heads), rows, columns)]);
}

function scoresOf(
  graph: GraphMaker,
  query: string,
  keys: string,
  headDim: number,
  scale: NonNullable<ConcatOptions['scale']>,
): string {
  if (scale === 'mul')
    return graph.op('Mul', [graph.op('MatMul', [query, keys]), graph.constant([headDim ** -0.5], [])]);
  if (scale === 'div')
    return graph.op('Div', [graph.op('MatMul', [query, keys]), graph.constant([headDim ** 0.5], [])]);
  const size = graph.op('Cast', [dimension(graph, query, 3)], { to: int(graph.type) });
  const factor = graph.op('Sqrt', [graph.op('Div', [graph.constant([1], []), graph.op('Sqrt', [size])])]);
  return graph.op('MatMul', [graph.op('Mul', [query, factor]), graph.op('Mul', [keys, factor])]);
}

function guarded(graph: GraphMaker, probabilities: string, guard: boolean): string {
  if (!guard) return probabilities;
  return graph.op('Where', [graph.op('IsNaN', [probabilities]), graph.constant([0], []), probabilities]);
}

function makeMask(graph: GraphMaker, kind: NonNullable<ConcatOptions['mask']>, heads: number): string {
  switch (kind) {
    case 'none':
      return '';
    case 'positions':
      return positionMask(graph);
    case 'window':
      return positionMask(graph, 1000);
    case 'alibi': {
      const total = dimension(graph, 'attention_mask', 1);
      const places = graph.op('Range', [graph.ints([0], []), total, graph.ints([1], [])]);
      const slopes = graph.constant(
        Array.from({ length: heads }, (_, h) => 2 ** -(h + 1)),
        [1, heads, 1, 1],
      );
      return graph.op('Add', [
        positionMask(graph),
        graph.op('Mul', [graph.op('Cast', [places], { to: int(graph.type) }), slopes]),
      ]);
    }
    case 'trilu':
      return triluMask(graph);
    default:
      return kind satisfies never;
  }
}

/** The mask as `transformers` builds it: a triangle, cut by positions, with the padding of the attention mask filled in. */
function triluMask(graph: GraphMaker): string {
  const lowest = graph.constant([graph.type === DataType.FLOAT ? -3.4e38 : -65504], []);
  const [batch, fresh] = [0, 1].map((axis) => dimension(graph, 'input_ids', axis)) as [string, string];
  const total = dimension(graph, 'attention_mask', 1);
  const list = (...parts: string[]) =>
    graph.op(
      'Concat',
      parts.map((part) => graph.op('Unsqueeze', [part, graph.ints([0])])),
      { axis: int(0) },
    );
  const [zero, one] = [graph.ints([0], []), graph.ints([1], [])];
  const past = graph.op('Sub', [total, fresh]);
  const full = graph.op('Expand', [lowest, list(fresh, total)]);
  const places = graph.op('Range', [past, total, one]);
  const later = graph.op('Greater', [
    graph.op('Range', [zero, total, one]),
    graph.op('Reshape', [places, graph.ints([-1, 1])]),
  ]);
  const causal = graph.op('Mul', [full, graph.op('Cast', [later], { to: int(graph.type) })]);
  const lifted = graph.op('Expand', [
    graph.op('Unsqueeze', [causal, graph.ints([0, 1])]),
    list(batch, one, fresh, total),
  ]);
  const padding = graph.op('Cast', [graph.op('Unsqueeze', ['attention_mask', graph.ints([1, 2])])], {
    to: int(graph.type),
  });
  const hidden = graph.op('Equal', [graph.op('Add', [lifted, padding]), graph.constant([0], [])]);
  return graph.op('Where', [hidden, lowest, lifted]);
}
