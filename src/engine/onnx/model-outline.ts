import { closeSync, openSync, readSync, fstatSync } from 'node:fs';
import { basename } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { DataLocation, DataType, decodeModel, type ModelProto } from './proto/index.js';
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema } from './proto/onnx_pb.js';

/** Initializers up to this size, in bytes, are taken along: shapes, factors, norms. */
const SMALL = 4096;
/** Masks that a model carries along; the rewriter looks into them. */
const SMALL_BOOLEANS = 2 ** 21;

const FIELDS = {
  graph: ModelProtoSchema.field.graph.number,
  initializer: GraphProtoSchema.field.initializer.number,
  dataType: TensorProtoSchema.field.dataType.number,
  rawData: TensorProtoSchema.field.rawData.number,
};

type Level = 'model' | 'graph' | 'tensor';

/**
 * Reads a model without its weights: what is large stays in the file, and the initializer becomes external data that lies there
 * (file name, offset, length). Takes milliseconds and little memory, whatever the file's size.
 * @throws Error where the file is not an ONNX model
 */
export function readModelOutline(path: string): ModelProto {
  const file = openSync(path, 'r');
  try {
    const cursor = new Cursor(file);
    const chunks = outline(cursor, fstatSync(file).size, 'model', basename(path));
    return decodeModel(Buffer.concat(chunks));
  } finally {
    closeSync(file);
  }
}

/** The message up to `end`, field by field as it is, but for the weights. */
function outline(cursor: Cursor, end: number, level: Level, location: string): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let dataType = 0;
  while (cursor.position < end) {
    const tag = cursor.varint();
    const field = tag >>> 3;
    const wireType: WireType = tag & 7;
    if (wireType !== WireType.LengthDelimited) {
      const value = scalar(cursor, wireType);
      if (level === 'tensor' && field === FIELDS.dataType) dataType = value[0]!;
      chunks.push(new BinaryWriter().tag(field, wireType).raw(value).finish());
      continue;
    }
    const length = cursor.varint();
    if (cursor.position + length > end) throw new Error('the file is cut off or not an ONNX model');
    const inner = innerLevel(level, field);
    if (inner !== undefined) {
      const message = outline(cursor, cursor.position + length, inner, location);
      const size = message.reduce((sum, { byteLength }) => sum + byteLength, 0);
      chunks.push(header(field, size), ...message);
    } else if (level === 'tensor' && field === FIELDS.rawData && length > mostInline(dataType)) {
      chunks.push(externalData(location, cursor.position, length));
      cursor.skip(length);
    } else {
      chunks.push(header(field, length), cursor.bytes(length));
    }
  }
  return chunks;
}

function innerLevel(level: Level, field: number): Level | undefined {
  if (level === 'model' && field === FIELDS.graph) return 'graph';
  return level === 'graph' && field === FIELDS.initializer ? 'tensor' : undefined;
}

function mostInline(dataType: DataType): number {
  return dataType === DataType.BOOL ? SMALL_BOOLEANS : SMALL;
}

function scalar(cursor: Cursor, wireType: WireType): Uint8Array {
  switch (wireType) {
    case WireType.Varint:
      return cursor.varintBytes();
    case WireType.Bit64:
      return cursor.bytes(8);
    case WireType.Bit32:
      return cursor.bytes(4);
    default:
      throw new Error('the file is not an ONNX model');
  }
}

function header(field: number, length: number): Uint8Array {
  return new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(length).finish();
}

/** The fields of a tensor that say where its bytes are. */
function externalData(location: string, offset: number, length: number): Uint8Array {
  const entries = { location, offset: String(offset), length: String(length) };
  return toBinary(
    TensorProtoSchema,
    create(TensorProtoSchema, {
      dataLocation: DataLocation.EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    }),
  );
}

/** Reads a file from front to back; what is skipped is not read. */
class Cursor {
  position = 0;
  readonly #file: number;
  #buffer = Buffer.alloc(0);
  /** Where the buffer's first byte is in the file. */
  #start = 0;

  constructor(file: number) {
    this.#file = file;
  }

  bytes(length: number): Uint8Array {
    const at = this.position - this.#start;
    if (at < 0 || at + length > this.#buffer.length) {
      this.#fill(length);
      return this.bytes(length);
    }
    this.position += length;
    return this.#buffer.subarray(at, at + length);
  }

  skip(length: number): void {
    this.position += length;
  }

  varint(): number {
    return this.varintBytes().reduceRight((value, byte) => value * 128 + (byte & 127), 0);
  }

  /** A varint as it stands in the file. */
  varintBytes(): Uint8Array {
    const start = this.position;
    while (this.bytes(1)[0]! >= 128) {
      if (this.position - start >= 10) throw new Error('the file is not an ONNX model');
    }
    const length = this.position - start;
    this.position = start;
    return this.bytes(length);
  }

  #fill(length: number): void {
    // a new one: earlier pieces are views of the one before
    const buffer = Buffer.alloc(Math.max(length, 2 ** 14));
    const read = readSync(this.#file, buffer, 0, buffer.length, this.position);
    if (read < length) throw new Error('the file is cut off or not an ONNX model');
    this.#buffer = buffer.subarray(0, read);
    this.#start = this.position;
  }
}
