import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import { readModelOutline } from '../../../src/engine/onnx/model-outline.js';
import {
  DataLocation,
  DataType,
  decodeModel,
  encodeModel,
  float32Tensor,
  makeModel,
  makeNode,
  makeTensor,
  writeModelFile,
  type ModelProto,
} from '../../../src/engine/onnx/proto/index.js';
import {
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
} from '../../../src/engine/onnx/proto/onnx_pb.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { groupQueryDecoder } from './support/fused-decoders.js';

const LARGE = Float32Array.from({ length: 5000 }, (_, i) => i);

function modelWithWeights(): ModelProto {
  return makeModel({
    nodes: [makeNode('Add', ['large', 'small'], ['y'])],
    inputs: [],
    outputs: [],
    initializers: [
      makeTensor('large', DataType.FLOAT, [5000], LARGE),
      float32Tensor('small', [1], []),
      makeTensor('mask', DataType.BOOL, [8000], new Uint8Array(8000).fill(1)),
      makeTensor('bytes', DataType.UINT8, [8001], new Uint8Array(8001).fill(7)),
    ],
  });
}

describe('a model', () => {
  it('is written and read without a change', () => {
    const model = groupQueryDecoder({ weights: 'q4' });
    expect(decodeModel(encodeModel(model))).toEqual(model);
    expect(encodeModel(model).length).toBe(toBinary(ModelProtoSchema, model).length);
  });

  it('shares its weights with the bytes it was read from', () => {
    const bytes = encodeModel(modelWithWeights());
    const [tensor] = decodeModel(bytes).graph!.initializer;
    expect(tensor!.rawData!.buffer).toBe(bytes.buffer);
  });

  it('keeps fields that are not known here, at every level', () => {
    const tensor = new BinaryWriter().tag(12, WireType.LengthDelimited).string('a comment').finish();
    const known = toBinary(TensorProtoSchema, float32Tensor('x', [1, 2]));
    const graph = new BinaryWriter()
      .tag(5, WireType.LengthDelimited)
      .bytes(Buffer.concat([known, tensor]))
      .tag(15, WireType.LengthDelimited)
      .string('sparse')
      .finish();
    const bytes = new BinaryWriter()
      .tag(7, WireType.LengthDelimited)
      .bytes(graph)
      .tag(25, WireType.LengthDelimited)
      .string('function')
      .finish();
    const again = encodeModel(decodeModel(bytes));
    for (const text of ['a comment', 'sparse', 'function']) {
      expect(Buffer.from(again).includes(text)).toBe(true);
    }
    expect(decodeModel(again).graph?.initializer[0]?.name).toBe('x');
  });

  it('is refused where there is no graph', () => {
    expect(() => decodeModel(new Uint8Array(0))).toThrow('no graph');
  });
});

describe('the outline of a model file', () => {
  it('is the model, with large weights left in the file', async () => {
    const path = join(temporaryFolder(), 'some model.onnx');
    const model = modelWithWeights();
    await writeModelFile(path, model);
    const outline = readModelOutline(path);
    const file = readFileSync(path);
    expect({ ...outline.graph, initializer: [] }).toEqual({ ...model.graph, initializer: [] });
    const [large, small, mask, bytes] = outline.graph!.initializer;
    expect([...small!.rawData!]).toEqual([...model.graph!.initializer[1]!.rawData!]);
    // the rewriter looks into masks
    expect(mask!.rawData).toHaveLength(8000);
    for (const [tensor, content] of [
      [large, new Uint8Array(LARGE.buffer)],
      [bytes, new Uint8Array(8001).fill(7)],
    ] as const) {
      expect(tensor).toMatchObject({
        dataLocation: DataLocation.EXTERNAL,
        dims: [BigInt(content.length / (tensor === large ? 4 : 1))],
      });
      expect(tensor!.rawData).toBeUndefined();
      const place = Object.fromEntries(tensor!.externalData.map(({ key, value }) => [key, value]));
      expect(place).toMatchObject({ location: 'some model.onnx', length: String(content.length) });
      const offset = Number(place['offset']);
      expect(new Uint8Array(file.subarray(offset, offset + content.length))).toEqual(content);
    }
  });

  it('leaves external weights where they are', async () => {
    const path = join(temporaryFolder(), 'model.onnx');
    const model = modelWithWeights();
    const [large] = model.graph!.initializer;
    const entry = create(StringStringEntryProtoSchema, { key: 'location', value: 'model.onnx_data' });
    Object.assign(large!, { rawData: undefined, dataLocation: DataLocation.EXTERNAL, externalData: [entry] });
    model.graph!.initializer = [large!];
    await writeModelFile(path, model);
    expect(readModelOutline(path)).toEqual(fromBinary(ModelProtoSchema, encodeModel(model)));
  });

  it.each([1, 7, 30, 500, 20_100, 36_000])(
    'is not read from a file that is cut off after %i bytes',
    async (length) => {
      const path = join(temporaryFolder(), 'model.onnx');
      writeFileSync(path, encodeModel(modelWithWeights()).subarray(0, length));
      expect(() => readModelOutline(path)).toThrow(Error);
    },
  );

  it('is not read from another file', () => {
    const path = join(
      temporaryFolder({ 'model.onnx': 'version https://git-lfs.github.com/spec/v1\n' }),
      'model.onnx',
    );
    expect(() => readModelOutline(path)).toThrow(Error);
  });
});
