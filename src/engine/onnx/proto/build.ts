import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
  TensorProto_DataType as DataType,
  ValueInfoProtoSchema,
  type AttributeProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx_pb.js';

/** The domain of ONNX Runtime's own operators. */
export const MICROSOFT = 'com.microsoft';

/** An attribute's value; the name is the key under which it is given to {@link makeNode}. */
export type AttributeValue = Omit<AttributeProto, 'name'>;

function attribute(fields: MessageInitShape<typeof AttributeProtoSchema>): AttributeValue {
  return create(AttributeProtoSchema, fields);
}

/** An INT attribute. */
export function int(value: number): AttributeValue {
  return attribute({ type: AttributeType.INT, i: BigInt(value) });
}

/** A FLOAT attribute, rounded to float32. */
export function float(value: number): AttributeValue {
  return attribute({ type: AttributeType.FLOAT, f: Math.fround(value) });
}

/** An INTS attribute. */
export function ints(values: readonly number[]): AttributeValue {
  return attribute({ type: AttributeType.INTS, ints: values.map(BigInt) });
}

/** A STRING attribute. */
export function text(value: string): AttributeValue {
  return attribute({ type: AttributeType.STRING, s: new TextEncoder().encode(value) });
}

/** A TENSOR attribute, as `Constant` has it. */
export function tensorValue(value: TensorProto): AttributeValue {
  return attribute({ type: AttributeType.TENSOR, t: value });
}

/** A node. `''` among the inputs or outputs stands for an optional one that is left out. */
export function makeNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  domain = '',
): NodeProto {
  return create(NodeProtoSchema, {
    opType,
    domain,
    // unique within a graph because outputs are
    name: output.find((name) => name !== '') ?? '',
    input: [...input],
    output: [...output],
    attribute: Object.entries(attributes).map(([name, value]) => ({ ...value, name })),
  });
}

/** Element types that JavaScript has a typed array for, and that array. */
interface TypedArrays {
  [DataType.FLOAT]: Float32Array;
  [DataType.DOUBLE]: Float64Array;
  /** The bits of IEEE 754 binary16. */
  [DataType.FLOAT16]: Uint16Array;
  [DataType.INT64]: BigInt64Array;
  [DataType.INT32]: Int32Array;
  [DataType.INT8]: Int8Array;
  [DataType.UINT8]: Uint8Array;
  [DataType.BOOL]: Uint8Array;
}

/**
 * An initializer, or the value of a `Constant`. Its bytes are `data`'s own, not a copy (ONNX is little-endian, as is every
 * platform of Node).
 */
export function makeTensor<T extends keyof TypedArrays>(
  name: string,
  dataType: T,
  dims: readonly number[],
  data: TypedArrays[T],
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType,
    dims: dims.map(BigInt),
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
}

/** An int64 initializer: a vector, or a scalar where `dims` is `[]`. */
export function int64Tensor(
  name: string,
  values: readonly number[],
  dims: readonly number[] = [values.length],
): TensorProto {
  return makeTensor(name, DataType.INT64, dims, BigInt64Array.from(values, BigInt));
}

/** A float32 initializer: a vector, or a scalar where `dims` is `[]`. */
export function float32Tensor(
  name: string,
  values: readonly number[],
  dims: readonly number[] = [values.length],
): TensorProto {
  return makeTensor(name, DataType.FLOAT, dims, Float32Array.from(values));
}

/** A graph input or output. A dimension is a size, or the name of a size that varies. */
export function valueInfo(
  name: string,
  elemType: DataType,
  dims: readonly (number | string)[],
): ValueInfoProto {
  const dim = dims.map((size) => ({
    value:
      typeof size === 'number'
        ? { case: 'dimValue' as const, value: BigInt(size) }
        : { case: 'dimParam' as const, value: size },
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
  });
}

/** What {@link makeModel} puts together. */
export interface ModelParts {
  readonly nodes: readonly NodeProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  readonly initializers: readonly TensorProto[];
  /** Version of the standard operators; 17 is what most decoders on the hub are exported with or above. */
  readonly opset?: number;
}

/** A model of the standard operators and ONNX Runtime's own. The nodes must be in the order in which they run. */
export function makeModel({ nodes, inputs, outputs, initializers, opset = 17 }: ModelParts): ModelProto {
  return create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: 'resident',
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) }),
      create(OperatorSetIdProtoSchema, { domain: MICROSOFT, version: 1n }),
    ],
    graph: create(GraphProtoSchema, {
      name: 'model',
      node: [...nodes],
      input: [...inputs],
      output: [...outputs],
      initializer: [...initializers],
    }),
  });
}
