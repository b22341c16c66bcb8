import { clone } from '@bufbuild/protobuf';
import { dimsOf, type GraphView } from './graph-view.js';
import type { NodeProto } from './proto/index.js';
import { NodeProtoSchema } from './proto/onnx_pb.js';

/** Operators that project hidden states onto the vocabulary; the hidden states are their first input. */
const PROJECTIONS = new Set([
  'MatMul',
  'MatMulNBits',
  'DynamicQuantizeMatMul',
  'MatMulInteger',
  'MatMulIntegerToFloat',
]);
/** What may stand between the projection and the logits. */
const POINTWISE = new Set(['Cast', 'Identity', 'Tanh', 'Add', 'Sub', 'Mul', 'Div']);

/** Nodes of the graph that take another input now. */
export type Changes = Map<NodeProto, NodeProto>;

/**
 * Picks each row's last token before the projection onto the vocabulary, so that a prefill does not compute logits that nobody
 * reads; where the projection is not found, it picks among the logits.
 * @param pick - makes the last tokens' part of a value
 * @returns the value that holds the logits, `[rows, 1, vocabulary]`
 */
export function pickLastToken(view: GraphView, pick: (value: string) => string, changes: Changes): string {
  const found = findProjection(view);
  if (found === undefined) return pick('logits');
  const picked = pick(found.hidden);
  for (const node of found.takers) {
    const changed = clone(NodeProtoSchema, node);
    changed.input = node.input.map((name) => (name === found.hidden ? picked : name));
    changes.set(node, changed);
  }
  return 'logits';
}

/** The hidden states and the nodes that take them on the way to the logits. */
function findProjection(view: GraphView): { hidden: string; takers: NodeProto[] } | undefined {
  const visited = new Set<NodeProto>();
  const takers: NodeProto[] = [];
  const entries = new Set<string>();
  // [value, whether it is the projection's own input]
  const queue: [string, boolean][] = [['logits', false]];
  for (const [value, projected] of queue) {
    const node = view.producer(value);
    if (isConstant(view, value) || (node !== undefined && visited.has(node))) continue;
    if (node === undefined) return undefined;
    visited.add(node);
    if (node.opType === 'DynamicQuantizeLinear') {
      takers.push(node);
      entries.add(node.input[0]!);
    } else if (!projected && PROJECTIONS.has(node.opType)) {
      if (!hasFlatWeights(view, node)) return undefined;
      const [input] = node.input as [string];
      if (view.producer(input)?.opType !== 'DynamicQuantizeLinear') {
        takers.push(node);
        entries.add(input);
      }
      node.input.forEach((name) => {
        if (name !== '' && !entries.has(name)) queue.push([name, true]);
      });
    } else if (!projected && POINTWISE.has(node.opType)) {
      node.input.forEach((name) => queue.push([name, false]));
    } else {
      return undefined;
    }
  }
  const [hidden] = entries;
  if (hidden === undefined || entries.size > 1 || isUsedElsewhere(view, visited)) return undefined;
  return { hidden, takers };
}

/** Whether something besides these nodes takes what they make: it would get one token, too. */
function isUsedElsewhere(view: GraphView, nodes: ReadonlySet<NodeProto>): boolean {
  return [...nodes].some((node) =>
    node.output.some((name) => view.consumers(name).some((consumer) => !nodes.has(consumer))),
  );
}

/** Weights of two dimensions leave the hidden states' dimensions as they are. */
function hasFlatWeights(view: GraphView, node: NodeProto): boolean {
  if (node.opType === 'MatMulNBits') return true;
  let name = node.input[1]!;
  while (view.constant(name) === undefined) {
    const producer = view.producer(name);
    if (producer === undefined || !['Transpose', 'DequantizeLinear', 'Cast'].includes(producer.opType))
      return false;
    name = producer.input[0]!;
  }
  return dimsOf(view.constant(name)!).length === 2;
}

/** Whether a value comes of constants alone. */
function isConstant(view: GraphView, name: string): boolean {
  if (view.constant(name) !== undefined) return true;
  const node = view.producer(name);
  return (
    node !== undefined &&
    node.input.length > 0 &&
    node.input.every((input) => input === '' || isConstant(view, input))
  );
}
