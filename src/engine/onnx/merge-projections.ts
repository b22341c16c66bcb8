import { dimsOf, intOf, type GraphView } from './graph-view.js';
import { PREFIX, type NodeSink } from './node-sink.js';
import { int, makeNode, type AttributeProto, type NodeProto } from './proto/index.js';

/** Projections of one value that have become a single one. */
export interface MergedProjections {
  /** They are not needed any more. */
  readonly replaced: ReadonlySet<NodeProto>;
  /**
   * These values side by side, `[.., sum of sizes]`, where they are all that a merged projection makes, in this order.
   */
  readonly packed: (values: readonly string[]) => string | undefined;
}

/**
 * Projects a value once where the graph does it several times, as onto query, key and value, or onto gate and up. On a GPU, where
 * starting a kernel costs more than a small product, that is what a token at a time gains from. The weights are put together by ONNX
 * Runtime when it folds constants.
 */
export function mergeProjections(view: GraphView, sink: NodeSink): MergedProjections {
  const replaced = new Set<NodeProto>();
  const packs = new Map<string, string>();
  for (const group of groupsOf(view)) {
    const outputs = group.map(({ node }) => node.output[0]!);
    const sizes = sink.ints(...group.map(({ size }) => size));
    const whole = projectOnce(group, sink);
    const split = makeNode('Split', [whole, sizes], outputs, { axis: int(-1) });
    sink.nodes.push({ ...split, name: `${PREFIX}Split_${sink.nodes.length}` });
    for (const { node } of group) replaced.add(node);
    packs.set(outputs.join('\n'), whole);
  }
  return { replaced, packed: (values) => packs.get(values.join('\n')) };
}

interface Projection {
  readonly node: NodeProto;
  /** Numbers that it makes of a token. */
  readonly size: number;
  /** Weights that go with another's are to be put together along this axis. */
  readonly axis: number;
  /** Projections can be merged only where these are the same. */
  readonly likeness: string;
}

/** In the order of the graph. */
function groupsOf(view: GraphView): Projection[][] {
  const groups = new Map<string, Projection[]>();
  for (const node of view.graph.node) {
    const projection = readProjection(view, node);
    if (projection === undefined) continue;
    const key = `${node.input[0]} ${projection.likeness}`;
    groups.set(key, [...(groups.get(key) ?? []), projection]);
  }
  return [...groups.values()].filter(({ length }) => length > 1);
}

function readProjection(view: GraphView, node: NodeProto): Projection | undefined {
  const weights = node.input.slice(1).map((name) => view.initializers.get(name));
  const [first] = weights;
  if (first === undefined || !weights.every((tensor) => tensor !== undefined)) return undefined;
  const types = weights.map(({ dataType }) => dataType).join(' ');
  const dims = dimsOf(first);
  if (node.opType === 'MatMul' && dims.length === 2)
    return { node, size: dims[1]!, axis: 1, likeness: `MatMul ${dims[0]} ${types}` };
  // weights, scales and perhaps zero points, each with its outputs along the first axis
  if (node.opType !== 'MatMulNBits' || weights.length > 3) return undefined;
  const shapes = weights.map((tensor) => dimsOf(tensor).length).join(' ');
  const same = node.attribute.filter(({ name }) => name !== 'N').map(spell);
  return {
    node,
    size: intOf(node, 'N', 0),
    axis: 0,
    likeness: `MatMulNBits ${types} ${shapes} ${same.toSorted().join(' ')}`,
  };
}

function spell({ name, i, f }: AttributeProto): string {
  return `${name}=${i}/${f}`;
}

function projectOnce(group: readonly Projection[], sink: NodeSink): string {
  const [first] = group as [Projection];
  const { opType, domain, attribute, input } = first.node;
  const weights = input.slice(1).map((_, i) =>
    sink.add(
      'Concat',
      group.map(({ node }) => node.input[i + 1]!),
      { attributes: { axis: int(first.axis) } },
    ),
  );
  const total = group.reduce((sum, { size }) => sum + size, 0);
  const attributes = Object.fromEntries(
    attribute.map((each) => [each.name, each.name === 'N' ? int(total) : each]),
  );
  return sink.add(opType, [input[0]!, ...weights], { domain, attributes });
}
