import { DataType, type TensorProto } from '../../src/engine/onnx/proto/index.js';

/** @throws Error if the tensor isn't float32 */
export function floatsOf({ name, dataType, rawData, floatData }: TensorProto): Float32Array {
  if (dataType !== DataType.FLOAT) throw new Error(`${name} is not float32`);
  // a copy: the bytes may begin anywhere
  return rawData?.length ? new Float32Array(new Uint8Array(rawData).buffer) : Float32Array.from(floatData);
}
