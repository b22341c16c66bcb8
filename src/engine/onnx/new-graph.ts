import { create } from '@bufbuild/protobuf';
import { consumedBy } from './graph-view.js';
import {
  int64Tensor,
  MICROSOFT,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto/index.js';
import { OperatorSetIdProtoSchema, type OperatorSetIdProto } from './proto/onnx_pb.js';

/** What the new graph consists of, besides what stays of the old model. */
export interface NewGraph {
  readonly nodes: readonly NodeProto[];
  /** Those that no node needs are left out. */
  readonly initializers: readonly TensorProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
}

/** Puts the new model together. */
export function assembleModel(
  model: ModelProto,
  { nodes, initializers, inputs, outputs }: NewGraph,
): ModelProto {
  const used = new Set(nodes.flatMap((node) => [...consumedBy(node)]));
  const graph: GraphProto = {
    ...model.graph!,
    node: [...nodes],
    // 0: keep all, the graph picks the last token itself
    initializer: [...initializers, int64Tensor('num_logits_to_keep', [0], [])].filter(({ name }) =>
      used.has(name),
    ),
    input: [...inputs],
    output: [...outputs],
    // shapes of inner values are no longer what the exporter noted
    valueInfo: [],
  };
  return { ...model, graph, opsetImport: withMicrosoft(model.opsetImport) };
}

function withMicrosoft(imports: readonly OperatorSetIdProto[]): OperatorSetIdProto[] {
  if (imports.some(({ domain }) => domain === MICROSOFT)) return [...imports];
  return [...imports, create(OperatorSetIdProtoSchema, { domain: MICROSOFT, version: 1n })];
}
