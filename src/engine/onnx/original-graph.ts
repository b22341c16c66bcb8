import { clone } from '@bufbuild/protobuf';
import type { CacheLayer } from './cache-layers.js';
import { isFloatType, subgraphsOf, Unrecognised, type FloatType, type GraphView } from './graph-view.js';
import { PREFIX } from './node-sink.js';
import { DataType, type GraphProto, type ModelProto, type ValueInfoProto } from './proto/index.js';
import { NodeProtoSchema } from './proto/onnx_pb.js';

/** Inputs of a decoder besides its cache. */
const KNOWN_INPUTS = new Set(['input_ids', 'attention_mask', 'position_ids', 'num_logits_to_keep']);

/** Split, Squeeze and Unsqueeze take sizes and axes as inputs from this version on, and Softmax works on one axis. */
const OLDEST_OPSET = 13;

/** Inputs and outputs that the old graph does not have. */
const OWN_NAMES =
  /^(position_ids|mask|table|valid|block_row|block_slot|last|starts|past|bounds|most|best|delta\.\d+\.(key|value))$/;

/** Version of the standard operators. */
export function opsetOf({ opsetImport }: ModelProto): number {
  return Number(opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 0n);
}

/** @throws Unrecognised */
export function refuseOldOperators(model: ModelProto): void {
  const version = opsetOf(model);
  if (version < OLDEST_OPSET)
    throw new Unrecognised(`the graph uses version ${version} of the ONNX operators`);
}

/** @throws Unrecognised */
export function refuseUnknownInputs({ inputNames, graph }: GraphView, layers: readonly CacheLayer[]): void {
  const known = new Set([
    ...KNOWN_INPUTS,
    ...layers.flatMap(({ pastKey, pastValue }) => [pastKey, pastValue]),
  ]);
  const unknown = [...inputNames].find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new Unrecognised(`the graph has an input '${unknown}', which is not known`);
  if (!inputNames.has('input_ids')) throw new Unrecognised("the graph has no input 'input_ids'");
  const positionIds = graph.input.find(({ name }) => name === 'position_ids');
  if (positionIds !== undefined && dimsOfInfo(positionIds).length !== 2) {
    throw new Unrecognised("the input 'position_ids' is not [batch, length]");
  }
}

function dimsOfInfo({ type }: ValueInfoProto): (number | undefined)[] {
  const shape = type?.value.case === 'tensorType' ? type.value.value.shape : undefined;
  return (shape?.dim ?? []).map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : undefined));
}

/** @throws Unrecognised */
export function readLogits({ graph }: GraphView): { vocabSize: number; type: FloatType } {
  const logits = graph.output.find(({ name }) => name === 'logits');
  const vocabSize = logits && dimsOfInfo(logits)[2];
  const type =
    logits?.type?.value.case === 'tensorType' ? logits.type.value.value.elemType : DataType.UNDEFINED;
  if (vocabSize === undefined || !isFloatType(type)) {
    throw new Unrecognised("the graph has no output 'logits' of a fixed vocabulary size");
  }
  return { vocabSize, type };
}

/**
 * The graph with other names for inner values that are called what the new graph's inputs and outputs are called.
 * @throws Unrecognised where a subgraph might know such a value
 */
export function freeNames(graph: GraphProto): GraphProto {
  const inner = [...graph.node.flatMap(({ output }) => output), ...graph.initializer.map(({ name }) => name)];
  const clashing = new Set(inner.filter((name) => OWN_NAMES.test(name)));
  if (clashing.size === 0) return graph;
  if (graph.node.some((node) => subgraphsOf(node).length > 0)) {
    throw new Unrecognised(`a value in the graph is named '${[...clashing][0]}'`);
  }
  const rename = (name: string) => (clashing.has(name) ? `${PREFIX}original/${name}` : name);
  const node = graph.node.map((original) => {
    if (![...original.input, ...original.output].some((name) => clashing.has(name))) return original;
    const renamed = clone(NodeProtoSchema, original);
    renamed.input = original.input.map(rename);
    renamed.output = original.output.map(rename);
    return renamed;
  });
  const initializer = graph.initializer.map((tensor) => ({ ...tensor, name: rename(tensor.name) }));
  return { ...graph, node, initializer, input: graph.input.filter(({ name }) => !clashing.has(name)) };
}
