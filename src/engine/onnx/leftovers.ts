import { consumedBy, describe, intOf, Unrecognised, type GraphView } from './graph-view.js';
import { liveNodes } from './live-nodes.js';
import { PREFIX, type NodeSink } from './node-sink.js';
import { elements, type ProbeTensor } from './probe/tensor.js';
import { DataType, int, makeNode, type NodeProto } from './proto/index.js';
import type { Trial } from './trials.js';

/** The new graph before what it still takes of the old inputs is dealt with. */
export interface Draft {
  readonly view: GraphView;
  /** All nodes, live or not. */
  readonly nodes: readonly NodeProto[];
  readonly outputs: readonly string[];
  /** Inputs of the old graph that the new one does not have: the attention mask and the past in its old form. */
  readonly gone: ReadonlySet<string>;
  /** Nodes that were made for the new graph and take the past in its new form. */
  readonly own: ReadonlySet<NodeProto>;
}

/**
 * Replaces what the rest of the graph computes from the attention mask, or from the past's length, by `position_ids`, where
 * trials show that it is the positions (plus a constant, as some position tables have it).
 * @returns the live nodes, in order
 * @throws Unrecognised where something else than positions is left
 */
export function settleLeftovers(draft: Draft, sink: NodeSink, trials: readonly Trial[]): NodeProto[] {
  const replacements = new Map<string, NodeProto>();
  for (;;) {
    const nodes = draft.nodes.filter((node) => !node.output.some((name) => replacements.has(name)));
    const live = liveNodes([...nodes, ...replacements.values(), ...sink.nodes], draft.outputs);
    const dependent = dependents(live, draft);
    if (dependent.length === 0) return live;
    // in order, so that the earliest value is replaced and what follows from it goes with it
    const replaced = dependent.some((node) => {
      const made = replacement(node, draft.view, sink, trials);
      if (made !== undefined) replacements.set(made.output[0]!, made);
      return made !== undefined;
    });
    if (!replaced) throw needsStill(dependent[0]!, draft);
  }
}

/** The live nodes that take something gone, or what is computed from it. */
function dependents(live: readonly NodeProto[], { gone, own }: Draft): NodeProto[] {
  const lost = new Set(gone);
  return live.filter((node) => {
    if (own.has(node) || ![...consumedBy(node)].some((name) => lost.has(name))) return false;
    node.output.forEach((name) => lost.add(name));
    return true;
  });
}

function replacement(
  node: NodeProto,
  view: GraphView,
  sink: NodeSink,
  trials: readonly Trial[],
): NodeProto | undefined {
  const [output] = node.output as [string];
  const offset = node.output.length === 1 ? offsetFromPositions(output, trials) : undefined;
  const type = offset === undefined ? undefined : typeOf(view, output);
  if (offset !== undefined && type !== undefined) {
    const shifted = offset === 0 ? 'position_ids' : sink.add('Add', ['position_ids', sink.int(offset)]);
    return { ...makeNode('Cast', [shifted], [output], { to: int(type) }), name: `${PREFIX}${output}` };
  }
  return isTableCutToLength(node, view, trials[0]!)
    ? { ...makeNode('Identity', [node.input[0]!], [output]), name: `${PREFIX}${output}` }
    : undefined;
}

/** What a value is ahead of the positions, if that is the same in all trials. */
function offsetFromPositions(name: string, trials: readonly Trial[]): number | undefined {
  const offsets = trials.map(({ newTokens, past, probe }) => {
    const value = probe.get(name);
    if (value?.dims.length !== 2 || value.dims[0] !== 1 || value.dims[1] !== newTokens) return NaN;
    const found = elements(value).map((number, i) => number - (past + i));
    return found.every((offset) => offset === found[0]) ? found[0]! : NaN;
  });
  return offsets.every((offset) => offset === offsets[0]) ? offsets[0] : undefined;
}

/**
 * Older exports cut the tables of cosines and sines to the row's length and then pick by position: without the cut they pick
 * the same.
 */
function isTableCutToLength(node: NodeProto, view: GraphView, { newTokens, past, probe }: Trial): boolean {
  const total = past + newTokens;
  const [table, starts, , axes, steps] = node.input;
  if (node.opType !== 'Slice' || view.constant(table!) === undefined) return false;
  const only = (name: string | undefined) =>
    name === undefined || name === '' ? [] : listOf(probe.get(name));
  if (listOf(probe.get(starts!)).some((start) => start !== 0) || only(steps).some((step) => step !== 1))
    return false;
  const [axis] = only(axes);
  if (axis === undefined || probe.get(node.output[0]!)?.dims.at(axis) !== total) return false;
  const queue = [node.output[0]!];
  for (const value of queue) {
    for (const consumer of view.consumers(value)) {
      if (['Cast', 'Identity', 'Squeeze'].includes(consumer.opType)) queue.push(consumer.output[0]!);
      else if (
        consumer.opType !== 'Gather' ||
        consumer.input[0] !== value ||
        intOf(consumer, 'axis', 0) !== 0
      )
        return false;
      else if (probe.get(value)?.dims[0] !== total) return false;
    }
  }
  return true;
}

function listOf(value: ProbeTensor | undefined): number[] {
  return value === undefined ? [NaN] : [...elements(value)];
}

/** The element type of a value that comes of integers. */
function typeOf(view: GraphView, name: string): DataType | undefined {
  const node = view.producer(name);
  if (node === undefined) return view.constant(name)?.dataType ?? DataType.INT64;
  switch (node.opType) {
    case 'Cast':
      return intOf(node, 'to', 0);
    case 'Shape':
    case 'Size':
      return DataType.INT64;
    case 'Where':
      return typeOf(view, node.input[1]!);
    case 'Constant':
      return view.constant(name)?.dataType;
    default:
      return typeOf(view, node.input[0]!);
  }
}

function needsStill(node: NodeProto, { gone }: Draft): Unrecognised {
  const name = [...consumedBy(node)].find((input) => gone.has(input)) ?? '';
  return new Unrecognised(
    `${describe(node)} needs '${name}' for something else than attention and positions`,
  );
}
