import { create } from '@bufbuild/protobuf';
import type { CacheLayer } from './cache-layers.js';
import { consumedBy } from './graph-view.js';
import {
  DataType,
  int64Tensor,
  MICROSOFT,
  valueInfo,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto/index.js';
import { OperatorSetIdProtoSchema, type OperatorSetIdProto } from './proto/onnx_pb.js';

/** Names of the outputs that hold a layer's new keys and values. */
export function deltaNames(index: number): { key: string; value: string } {
  return { key: `delta.${index}.key`, value: `delta.${index}.value` };
}

/** What the new graph consists of, besides what stays of the old model. */
export interface NewGraph {
  readonly nodes: readonly NodeProto[];
  /** Those that no node needs are left out. */
  readonly initializers: readonly TensorProto[];
  readonly layers: readonly CacheLayer[];
  readonly vocabSize: number;
}

/** Puts the new model together; see `rewriteGraph` for its inputs and outputs. */
export function assembleModel(
  model: ModelProto,
  { nodes, initializers, layers, vocabSize }: NewGraph,
): ModelProto {
  const used = new Set(nodes.flatMap((node) => [...consumedBy(node)]));
  const graph: GraphProto = {
    ...model.graph!,
    node: [...nodes],
    // 0: keep all, the graph picks the last token itself
    initializer: [...initializers, int64Tensor('num_logits_to_keep', [0], [])].filter(({ name }) =>
      used.has(name),
    ),
    input: inputsOf(layers),
    output: outputsOf(layers, vocabSize),
    // shapes of inner values are no longer what the exporter noted
    valueInfo: [],
  };
  return { ...model, graph, opsetImport: withMicrosoft(model.opsetImport) };
}

function inputsOf(layers: readonly CacheLayer[]): ValueInfoProto[] {
  return [
    valueInfo('input_ids', DataType.INT64, ['rows', 'new']),
    valueInfo('position_ids', DataType.INT64, ['rows', 'new']),
    valueInfo('mask', DataType.FLOAT, ['rows', 1, 'new', 'new_and_past']),
    valueInfo('table', DataType.INT64, ['rows', 'row_blocks']),
    valueInfo('valid', DataType.FLOAT, ['rows', 1, 'row_blocks']),
    valueInfo('block_row', DataType.INT64, ['blocks']),
    valueInfo('block_slot', DataType.INT64, ['blocks']),
    valueInfo('last', DataType.INT64, ['rows', 1, 1]),
    ...layers.flatMap(({ pastKey, pastValue, kvHeads, headDim }) =>
      [pastKey, pastValue].map((name) =>
        valueInfo(name, DataType.FLOAT, ['blocks', kvHeads, 'block_tokens', headDim]),
      ),
    ),
  ];
}

function outputsOf(layers: readonly CacheLayer[], vocabSize: number): ValueInfoProto[] {
  return [
    valueInfo('logits', DataType.FLOAT, ['rows', 1, vocabSize]),
    ...layers.flatMap(({ index, kvHeads, headDim }) =>
      Object.values(deltaNames(index)).map((name) =>
        valueInfo(name, DataType.FLOAT, ['rows', kvHeads, 'new', headDim]),
      ),
    ),
  ];
}

function withMicrosoft(imports: readonly OperatorSetIdProto[]): OperatorSetIdProto[] {
  if (imports.some(({ domain }) => domain === MICROSOFT)) return [...imports];
  return [...imports, create(OperatorSetIdProtoSchema, { domain: MICROSOFT, version: 1n })];
}
