import { halfToFloat } from '../../half-float.js';
import { dimsOf } from '../graph-view.js';
import { DataType, type TensorProto } from '../proto/index.js';
import { sizeOf, unknown, type ProbeTensor } from './tensor.js';

/** Constants above this size are weights: they count as not known. Masks that a model carries along are integers. */
const MOST_FLOATS = 2 ** 16;
const MOST_INTEGERS = 2 ** 21;

type Reader = (view: DataView, index: number) => number;

const READERS: Partial<Record<DataType, { bytes: number; read: Reader; integer: boolean }>> = {
  [DataType.FLOAT]: { bytes: 4, read: (view, i) => view.getFloat32(i * 4, true), integer: false },
  [DataType.DOUBLE]: { bytes: 8, read: (view, i) => view.getFloat64(i * 8, true), integer: false },
  [DataType.FLOAT16]: {
    bytes: 2,
    read: (view, i) => halfToFloat(view.getUint16(i * 2, true)),
    integer: false,
  },
  [DataType.INT64]: { bytes: 8, read: (view, i) => Number(view.getBigInt64(i * 8, true)), integer: true },
  [DataType.INT32]: { bytes: 4, read: (view, i) => view.getInt32(i * 4, true), integer: true },
  [DataType.UINT8]: { bytes: 1, read: (view, i) => view.getUint8(i), integer: true },
  [DataType.INT8]: { bytes: 1, read: (view, i) => view.getInt8(i), integer: true },
  [DataType.BOOL]: { bytes: 1, read: (view, i) => view.getUint8(i), integer: true },
};

/** A constant whose elements are not looked at. */
export function dimsOnly(tensor: TensorProto): ProbeTensor {
  return unknown(dimsOf(tensor));
}

/** The elements of a constant; NaN where they are too many, stored elsewhere, or of a type that only weights have. */
export function readTensor(tensor: TensorProto): ProbeTensor {
  const dims = dimsOf(tensor);
  const size = sizeOf(dims);
  const reader = READERS[tensor.dataType];
  if (reader === undefined) return unknown(dims);
  const { bytes, read, integer } = reader;
  if (size > (integer ? MOST_INTEGERS : MOST_FLOATS)) return { ...unknown(dims), integer };
  const listed = listedElements(tensor);
  if (listed?.length === size) return { dims, data: Float64Array.from(listed), integer };
  const raw = tensor.rawData;
  if (raw?.byteLength !== size * bytes) return { ...unknown(dims), integer };
  if (bytes === 1 && tensor.dataType !== DataType.INT8)
    return { dims, data: Float64Array.from(raw), integer };
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return { dims, data: Float64Array.from({ length: size }, (_, i) => read(view, i)), integer };
}

/** Elements that are stored as a list of numbers instead of as bytes. */
function listedElements(tensor: TensorProto): number[] | undefined {
  if (tensor.rawData !== undefined) return undefined;
  switch (tensor.dataType) {
    case DataType.FLOAT:
      return tensor.floatData;
    case DataType.INT64:
      return tensor.int64Data.map(Number);
    case DataType.FLOAT16:
      return tensor.int32Data.map(halfToFloat);
    case DataType.DOUBLE:
      return undefined;
    default:
      return tensor.int32Data;
  }
}
