import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { prepareInPlaceGraph, type InPlaceGraph } from '../../../src/engine/onnx/in-place-graph.js';
import {
  DataLocation,
  decodeModel,
  writeModelFile,
  type ModelProto,
} from '../../../src/engine/onnx/proto/index.js';
import { StringStringEntryProtoSchema } from '../../../src/engine/onnx/proto/onnx_pb.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { BlockDecoder } from './support/block-decoder.js';
import { expectClose } from './support/compare.js';
import { groupQueryDecoder } from './support/fused-decoders.js';
import { PlainDecoder } from './support/plain-decoder.js';

/** Large enough for weights that stay in the file, float32 at any address. */
const decoder = () => groupQueryDecoder({ shape: { vocabSize: 101 } });

type Ready = Extract<InPlaceGraph, { kind: 'ready' }>;

async function prepare(modelFile: string, cacheDir?: string): Promise<Ready> {
  const graph = await prepareInPlaceGraph({ modelFile, ...(cacheDir === undefined ? {} : { cacheDir }) });
  if (graph.kind !== 'ready') throw new Error(graph.reason);
  return graph;
}

async function expectRuns({ graph, layers }: Ready, modelFile: string): Promise<void> {
  const options = { intraOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const blocks = new BlockDecoder(
    await InferenceSession.create(graph.model, { ...options, extra: { session: graph.extra } }),
    layers,
  );
  const plain = new PlainDecoder(
    await InferenceSession.create(new Uint8Array(readFileSync(modelFile)), options),
  );
  const cache = blocks.open();
  for (const tokens of [[3, 1, 4, 1, 5], [9], [2, 6]]) {
    const [actual] = await blocks.step([{ cache, tokens }], { blockTokens: 4 });
    expectClose(actual!, await plain.step(tokens), 1e-4);
  }
}

async function modelFolder(
  model: ModelProto = decoder(),
): Promise<{ folder: string; modelFile: string; cacheDir: string }> {
  const folder = temporaryFolder();
  const modelFile = join(folder, 'model.onnx');
  await writeModelFile(modelFile, model);
  return { folder, modelFile, cacheDir: join(folder, 'cache', 'graphs') };
}

const locationsIn = ({ graph }: Ready) =>
  new Set(
    decodeModel(graph.model)
      .graph!.initializer.filter(({ dataLocation }) => dataLocation === DataLocation.EXTERNAL)
      .map(({ externalData }) => externalData.find(({ key }) => key === 'location')?.value),
  );

describe('a prepared graph', () => {
  it('runs over the weights in the model file, which it does not contain', async () => {
    const { folder, modelFile } = await modelFolder();
    const ready = await prepare(modelFile);
    expect(ready.graph.model.length).toBeLessThan(readFileSync(modelFile).length / 3);
    expect(ready.graph.extra).toEqual({ model_external_initializers_file_folder_path: folder });
    expect(locationsIn(ready)).toEqual(new Set(['model.onnx']));
    await expectRuns(ready, modelFile);
  });

  it('says what the runtime has to know', async () => {
    const { modelFile } = await modelFolder(groupQueryDecoder({ weights: 'q8' }));
    const layer = { kvHeads: 2, headDim: 16 };
    expect(await prepare(modelFile)).toMatchObject({
      layers: [layer, layer],
      vocabSize: 48,
      quantizedOps: ['MatMulNBits'],
    });
  });

  it('runs where the model file is a link into another folder', async () => {
    const { folder, modelFile } = await modelFolder();
    mkdirSync(join(folder, 'blobs'));
    mkdirSync(join(folder, 'snapshots', 'main'), { recursive: true });
    renameSync(modelFile, join(folder, 'blobs', 'f00d'));
    const link = join(folder, 'snapshots', 'main', 'model.onnx');
    symlinkSync('../../blobs/f00d', link);
    const ready = await prepare(link, join(folder, 'cache'));
    expect(locationsIn(ready)).toEqual(new Set(['f00d']));
    await expectRuns(ready, link);
    await expectRuns(await prepare(link, join(folder, 'cache')), link);
  });

  it('runs where weights lie in a file of their own, linked or not', async () => {
    const { folder, modelFile } = await modelFolder();
    const original = readFileSync(modelFile);
    const model = decodeModel(original);
    const weights: Uint8Array[] = [];
    const large = model.graph!.initializer.filter(({ rawData }) => rawData!.length > 4096);
    // the others stay in the model file
    for (const tensor of large.slice(0, 5)) {
      const offset = weights.reduce((sum, { length }) => sum + length, 0);
      const place = { location: 'model.onnx_data', offset, length: tensor.rawData!.length };
      weights.push(tensor.rawData!);
      Object.assign(tensor, {
        externalData: entriesFor(place),
        dataLocation: DataLocation.EXTERNAL,
        rawData: undefined,
      });
    }
    const whole = join(folder, 'whole.onnx');
    writeFileSync(whole, original);
    await writeModelFile(modelFile, model);
    mkdirSync(join(folder, 'elsewhere'));
    writeFileSync(join(folder, 'elsewhere', 'data'), Buffer.concat(weights));
    symlinkSync('elsewhere/data', join(folder, 'model.onnx_data'));
    const ready = await prepare(modelFile);
    expect(locationsIn(ready)).toEqual(new Set(['model.onnx', join('elsewhere', 'data')]));
    await expectRuns(ready, whole);
  });

  it('is refused where weights lie outside the folder, or are missing', async () => {
    for (const location of ['../model.onnx_data', '/etc/hostname', 'missing']) {
      const model = decoder();
      const [tensor] = model.graph!.initializer;
      Object.assign(tensor!, {
        externalData: entriesFor({ location, offset: 0, length: 4 }),
        dataLocation: DataLocation.EXTERNAL,
        rawData: undefined,
      });
      const { folder } = await modelFolder();
      const modelFile = join(folder, 'inner', 'model.onnx');
      mkdirSync(join(folder, 'inner'));
      await writeModelFile(modelFile, model);
      writeFileSync(join(folder, 'model.onnx_data'), new Uint8Array(1000));
      expect(await prepareInPlaceGraph({ modelFile })).toMatchObject({ kind: 'unrecognised' });
    }
  });

  it('is not made of what is no model', async () => {
    const folder = temporaryFolder({ 'model.onnx': '<html>404</html>' });
    for (const name of ['model.onnx', 'absent.onnx']) {
      expect(
        await prepareInPlaceGraph({ modelFile: join(folder, name), cacheDir: join(folder, 'cache') }),
      ).toMatchObject({
        kind: 'unrecognised',
        reason: expect.stringMatching(/^the model can't be read: /) as string,
      });
    }
  });

  it('gives the reason of a graph that is not recognised, and keeps nothing', async () => {
    const model = decoder();
    for (const node of model.graph!.node)
      if (node.opType === 'GroupQueryAttention') node.opType = 'PagedAttention';
    const { modelFile, cacheDir } = await modelFolder(model);
    const graph = await prepareInPlaceGraph({ modelFile, cacheDir });
    expect(graph).toMatchObject({
      kind: 'unrecognised',
      reason: expect.stringContaining('PagedAttention') as string,
    });
    expect(existsSync(cacheDir)).toBe(false);
  });
});

describe('the cache of graphs', () => {
  const entriesOf = (cacheDir: string) => readdirSync(cacheDir).map((name) => join(cacheDir, name));

  it('keeps one small entry and gives it back', async () => {
    const { modelFile, cacheDir } = await modelFolder();
    const first = await prepare(modelFile, cacheDir);
    const [entry, ...others] = entriesOf(cacheDir) as [string, ...string[]];
    expect(others).toEqual([]);
    expect(basename(entry)).toMatch(/^[0-9a-f]{64}-blocks-v1\.graph$/);
    const second = await prepare(modelFile, cacheDir);
    expect(Buffer.from(second.graph.model).equals(first.graph.model)).toBe(true);
    expect({ ...second, graph: undefined }).toEqual({ ...first, graph: undefined });
    await expectRuns(second, modelFile);
  });

  it('is read, not made again', async () => {
    const { modelFile, cacheDir } = await modelFolder();
    await prepare(modelFile, cacheDir);
    // another model's entry under this one's name: who reads it shows it
    const other = await modelFolder(groupQueryDecoder({ shape: { vocabSize: 55 } }));
    await prepare(other.modelFile, other.cacheDir);
    cpSync(entriesOf(other.cacheDir)[0]!, entriesOf(cacheDir)[0]!);
    expect(await prepare(modelFile, cacheDir)).toMatchObject({ vocabSize: 55 });
  });

  it('has another entry for another model and for another name', async () => {
    const { folder, modelFile, cacheDir } = await modelFolder();
    await prepare(modelFile, cacheDir);
    await writeModelFile(modelFile, groupQueryDecoder({ seed: 2 }));
    await prepare(modelFile, cacheDir);
    expect(entriesOf(cacheDir)).toHaveLength(2);
    const renamed = join(folder, 'renamed.onnx');
    renameSync(modelFile, renamed);
    const ready = await prepare(renamed, cacheDir);
    expect(entriesOf(cacheDir)).toHaveLength(3);
    await expectRuns(ready, renamed);
  });

  it('follows a model that is moved', async () => {
    const { folder, modelFile, cacheDir } = await modelFolder();
    await prepare(modelFile, cacheDir);
    mkdirSync(join(folder, 'moved'));
    const moved = join(folder, 'moved', 'model.onnx');
    renameSync(modelFile, moved);
    await expectRuns(await prepare(moved, cacheDir), moved);
    expect(entriesOf(cacheDir)).toHaveLength(1);
  });

  it.each([
    ['cut off', (entry: Buffer) => entry.subarray(0, entry.length - 100)],
    ['empty', () => Buffer.alloc(0)],
    [
      'changed in one bit',
      (entry: Buffer) => Buffer.from(entry.with(entry.length >> 1, entry[entry.length >> 1]! ^ 1)),
    ],
  ])('makes an entry again that is %s', async (_, damage) => {
    const { modelFile, cacheDir } = await modelFolder();
    await prepare(modelFile, cacheDir);
    const [entry] = entriesOf(cacheDir) as [string];
    const before = readFileSync(entry);
    writeFileSync(entry, damage(before));
    await expectRuns(await prepare(modelFile, cacheDir), modelFile);
    expect(readFileSync(entry).equals(before)).toBe(true);
    expect(entriesOf(cacheDir)).toHaveLength(1);
  });

  it('is done without where it can not be written', async () => {
    const { folder, modelFile } = await modelFolder();
    const file = join(folder, 'a file');
    writeFileSync(file, '');
    await expectRuns(await prepare(modelFile, join(file, 'graphs')), modelFile);
    // of no effect for root
    const locked = join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    await expectRuns(await prepare(modelFile, locked), modelFile);
  });

  it('may be filled by several at once', async () => {
    const { modelFile, cacheDir } = await modelFolder();
    const graphs = await Promise.all(Array.from({ length: 8 }, () => prepare(modelFile, cacheDir)));
    expect(entriesOf(cacheDir)).toHaveLength(1);
    expect(new Set(graphs.map(({ graph }) => Buffer.from(graph.model).toString('base64'))).size).toBe(1);
  });
});

/** Entries of a tensor that say where its bytes are. */
function entriesFor(place: Readonly<Record<string, string | number>>) {
  return Object.entries(place).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value: String(value) }),
  );
}
