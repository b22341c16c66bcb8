/**
 * Reading, making and writing ONNX models.
 *
 * - `decodeModel(bytes)` / `encodeModel(model)` / `writeModelFile(path, model)`: bytes to `ModelProto` and back. Raw weights
 *   are never copied by decoding or by `writeModelFile`; unknown fields survive.
 * - `makeModel({ nodes, inputs, outputs, initializers, opset })`, `makeNode(op, inputs, outputs, { attribute: int(1) }, domain)`,
 *   `makeTensor(name, DataType.FLOAT, dims, array)`, `int64Tensor`, `float32Tensor`, `valueInfo(name, DataType.FLOAT, dims)`:
 *   making one. An attribute's value says its type: `int`, `float`, `ints`, `text`, `tensorValue`.
 * - the message types (`ModelProto`, `NodeProto`, `TensorProto`, ...) are generated from `onnx.proto`. An int64 is a bigint.
 */
export * from './build.js';
export * from './model-file.js';
export {
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx_pb.js';
