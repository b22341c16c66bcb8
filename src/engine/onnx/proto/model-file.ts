import { open } from 'node:fs/promises';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  type GraphProto,
  type ModelProto,
  type TensorProto,
} from './onnx_pb.js';

/**
 * Reads a model. Tensors' `rawData` are views into `bytes`, nothing is copied; fields that `onnx.proto` leaves out are kept
 * and written again.
 * @throws Error where `bytes` are not a protobuf message with a graph
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  const model = fromBinary(ModelProtoSchema, bytes);
  if (model.graph === undefined) throw new Error('the file has no graph');
  return model;
}

/** Writes a model into one array: one copy of the weights. */
export function encodeModel(model: ModelProto): Uint8Array {
  const { buffer, byteOffset, byteLength: length } = Buffer.concat(modelChunks(model));
  return new Uint8Array(buffer, byteOffset, length);
}

/** Writes a model to a file; the weights are not copied on the way, so they may be large (ONNX's limit is 2 GB). */
export async function writeModelFile(path: string, model: ModelProto): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const chunk of modelChunks(model)) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
}

/**
 * The bytes of a model, in pieces: an initializer's `rawData` is a piece of its own and the very array that the tensor
 * holds. (The library's writer would copy it once per nesting level.)
 */
export function modelChunks(model: ModelProto): Uint8Array[] {
  const { graph, ...rest } = model;
  const head = toBinary(ModelProtoSchema, { ...rest, graph: undefined });
  if (graph === undefined) return [head];
  const body = graphChunks(graph);
  return [head, tag(ModelProtoSchema.field.graph.number, byteLength(body)), ...body];
}

function graphChunks(graph: GraphProto): Uint8Array[] {
  const field = GraphProtoSchema.field.initializer.number;
  return [
    toBinary(GraphProtoSchema, { ...graph, initializer: [] }),
    ...graph.initializer.flatMap((tensor) => {
      const chunks = tensorChunks(tensor);
      return [tag(field, byteLength(chunks)), ...chunks];
    }),
  ];
}

function tensorChunks(tensor: TensorProto): Uint8Array[] {
  const { rawData, ...rest } = tensor;
  if (rawData === undefined) return [toBinary(TensorProtoSchema, tensor)];
  const head = toBinary(TensorProtoSchema, { ...rest, rawData: undefined });
  return [head, tag(TensorProtoSchema.field.rawData.number, rawData.byteLength), rawData];
}

function tag(field: number, length: number): Uint8Array {
  return new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(length).finish();
}

function byteLength(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { byteLength: length }) => sum + length, 0);
}
