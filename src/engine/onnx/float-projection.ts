import { dimsOf, type GraphView } from './graph-view.js';
import type { Changes } from './last-token.js';
import type { NodeSink } from './node-sink.js';
import { DataType, int, type NodeProto, type TensorProto } from './proto/index.js';

/** Elements of weights that are still converted: 1 GB as float32, which any GPU binds in one piece. */
const MOST_ELEMENTS = 2 ** 28;

/**
 * Projects onto the vocabulary in float32 where the weights are float16. A GPU sums up float16 products in float16, and of all
 * sums these decide which token is the most probable. It costs the memory of these weights once more, and no time that shows.
 * @param changes - the nodes that project, as they are in the new graph
 */
export function projectInFloat(view: GraphView, sink: NodeSink, changes: Changes): void {
  for (const [original, changed] of changes) {
    const [, weights] = original.input;
    if (original.opType !== 'MatMul' || weights === undefined || !isSmallHalf(weightsBehind(view, weights)))
      continue;
    if (!isOnlyCast(view, original.output[0]!)) continue;
    changed.input = changed.input.map((name) =>
      sink.add('Cast', [name], { attributes: { to: int(DataType.FLOAT) } }),
    );
  }
}

/** The constant itself, also where a tied embedding is transposed on the way. */
function weightsBehind(view: GraphView, name: string): TensorProto | undefined {
  const node = view.producer(name);
  if (node?.opType === 'Transpose' || node?.opType === 'Identity') return weightsBehind(view, node.input[0]!);
  return view.constant(name);
}

function isSmallHalf(weights: TensorProto | undefined): boolean {
  if (weights?.dataType !== DataType.FLOAT16) return false;
  return dimsOf(weights).reduce((product, dim) => product * dim, 1) <= MOST_ELEMENTS;
}

/** Whatever else takes the value would get another type. */
function isOnlyCast(view: GraphView, value: string): boolean {
  return view
    .consumers(value)
    .every(
      ({ opType, output }: NodeProto) =>
        opType === 'Cast' || (opType === 'Identity' && isOnlyCast(view, output[0]!)),
    );
}
