import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineCall } from '../../src/engine/encoder-types.js';
import { ModelLoadError } from '../../src/engine/errors.js';
import { loadModel, type LoadedModel } from '../../src/engine/loading/load-model.js';
import { thisMachine, type Machine } from '../../src/engine/placement/machine.js';
import type { LoadContext, LoadProgress, ModelSpec } from '../../src/engine/types.js';
import {
  makeIntegerOperator,
  makeOverflow,
  makeUnknownOperator,
  writeChangedTales,
} from '../support/changed-graph.js';
import { TestGenerator } from '../support/generators.js';
import { TALES } from '../support/models.js';
import { driver } from '../unit/placement/helpers.js';
import { writeFiles } from '../unit/helpers/temporary-folder.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'resident-placement-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ENCODER: ModelSpec = {
  name: 'encoder',
  source: join(TALES.source, '../encoder'),
  task: 'feature-extraction',
  device: 'auto',
  dtype: 'auto',
};

function load(spec: ModelSpec, machine?: Machine, context: Partial<LoadContext> = {}): Promise<LoadedModel> {
  const attended = { avoid: [], onProgress: () => undefined, onCondition: () => undefined, ...context };
  return loadModel(
    spec,
    { endpoint: 'http://localhost', cacheDir: join(folder, 'cache') },
    attended,
    machine,
  );
}

async function failureOf(spec: Partial<ModelSpec>): Promise<ModelLoadError> {
  const outcome = await TestGenerator.load({ source: TALES.source, ...spec }).catch(
    (error: unknown) => error,
  );
  if (!(outcome instanceof ModelLoadError)) throw new Error('expected a ModelLoadError');
  expect(outcome.message).not.toMatch(/\n|onnxruntime_src/);
  return outcome;
}

async function vectorOf({ calls }: LoadedModel): Promise<readonly number[]> {
  const call: EngineCall = { kind: 'embed', request: { inputs: ['how to make tea'] } };
  const { signal } = new AbortController();
  const result = await calls.answer(call, { id: 1, priority: 'interactive', client: '', signal });
  if (result.kind !== 'embed') throw new Error('expected an embedding');
  return [...(result.embeddings[0] as Float32Array)];
}

describe('a load that fails says why', () => {
  it('where the device is not there', async () => {
    const device = process.platform === 'darwin' ? 'dml' : 'coreml';
    const failure = await failureOf({ device });
    expect(failure.code).toBe('device_unavailable');
    expect(failure.message).toMatch(
      new RegExp(`^Device '${device}' is not available here: .* Found: .*cpu \\(always there\\)`),
    );
  });

  it('where the libraries of CUDA are not installed', async ({ skip }) => {
    if (!thisMachine().runtimeDevices().includes('cuda')) skip('ONNX Runtime has no CUDA here');
    const failure = await failureOf({ device: 'cuda' });
    expect(failure.code).toBe('device_unavailable');
    expect(failure.message).toMatch(
      /^Device 'cuda' can't be used here: .*cuda \(its libraries are not installed\)/,
    );
  });

  it('where the model has no such weights', async () => {
    const failure = await failureOf({ dtype: 'fp16' });
    expect(failure).toMatchObject({ code: 'weights_not_found' });
    expect(failure.message).toContain('Available: q8');
  });

  it('where its architecture is unknown', async () => {
    const source = join(folder, 'oddnet');
    writeChangedTales(source, () => undefined, { model_type: 'oddnet', architectures: ['OddNet'] });
    const failure = await failureOf({ source });
    expect(failure.code).toBe('model_unsupported');
    expect(failure.message).toContain('model_type "oddnet"');
  });

  it('where its graph has an operator that ONNX Runtime does not know', async () => {
    const source = join(folder, 'fancy');
    writeChangedTales(source, makeUnknownOperator);
    const failure = await failureOf({ source });
    expect(failure.code).toBe('model_unsupported');
    expect(failure.message).toContain('the operator FancyNorm');
  });

  it('where its numbers are none', async () => {
    const source = join(folder, 'overflow');
    writeChangedTales(source, makeOverflow);
    const failure = await failureOf({ source, dtype: 'q8' });
    expect(failure.code).toBe('model_unsupported');
    expect(failure.message).toContain('its output is not finite');
  });

  it('where it does not fit into the memory that it may take, before anything is loaded', async () => {
    const progress: LoadProgress[] = [];
    const spec: ModelSpec = { ...TALES, dtype: 'q8', device: 'cpu', memory: 90 * 2 ** 20 };
    const failure = await load(spec, undefined, { onProgress: (each) => progress.push(each) }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'insufficient_memory' });
    expect(String(failure)).toMatch(
      /on cpu in q8: it needs \d+ MB \(weights 13 MB, activations \d+ MB, KV cache at least 4 MB, runtime 64 MB\), and 'memory' allows 90 MB/,
    );
    expect(progress).toEqual([]);
  });
});

describe('a load that succeeds', () => {
  it('tells where the model is, why, and what was planned for it', async () => {
    const progress: LoadProgress[] = [];
    const model = await load(TALES, thisMachine(), {
      onProgress: (each) => progress.push(each),
    });
    const { report } = model;
    expect(progress.map(({ phase }) => phase)).toEqual(['loading', 'warming-up']);
    expect(report.deviceReason).toMatch(/^auto took /);
    expect(report.dtypeReason).toMatch(/^auto took q8, the first of /);
    expect(report.memory?.weightsBytes).toBeGreaterThan(13_000_000);
    expect(report.warnings).toBeUndefined();
    await model.dispose();
  });

  it('cuts the KV cache to the memory that it may take', async () => {
    const model = await load({ ...TALES, device: 'cpu', memory: 150 * 2 ** 20 });
    const { report } = model;
    expect(report.dtypeReason).toMatch(/the KV cache was cut to \d+ MB to fit into memory/);
    expect(report.kvCacheTokens).toBeLessThan(32 * 1024);
    expect((report.kvCacheTokens ?? 0) * 4096).toBeGreaterThan(0.9 * (report.memory?.kvCacheBytes ?? 0));
    await model.dispose();
  });
});

/**
 * A machine that says it has a GPU: the real WebGPU provider is tried. Where there is an adapter, if only one in software, the embedded
 * encoder fails on it (MultiHeadAttention has no key_padding_mask there); where there is none, its session fails.
 */
describe('device: auto where the GPU turns out not to do', () => {
  function seemingGpu(): Machine {
    const root = join(folder, 'machine');
    writeFiles(root, { 'dev/nvidia0': '', 'etc/vulkan/icd.d/nvidia_icd.json': driver('libGLX_nvidia.so.0') });
    return {
      ...thisMachine(),
      root,
      platform: 'linux',
      vulkanManifests: undefined,
      askNvidia: () => undefined,
    };
  }

  it('goes on to the CPU in the same process, and the model answers as if nothing had been', async ({
    skip,
  }) => {
    if (!thisMachine().runtimeDevices().includes('webgpu')) skip('ONNX Runtime has no WebGPU here');
    const progress: LoadProgress[] = [];
    const fallen = await load(ENCODER, seemingGpu(), { onProgress: (each) => progress.push(each) });
    expect(progress.filter(({ phase }) => phase === 'loading')).toMatchObject([
      { device: 'webgpu' },
      { device: 'cpu' },
    ]);
    expect(fallen.report).toMatchObject({ device: 'cpu', dtype: 'q8' });
    expect(fallen.report.deviceReason).toMatch(/^auto took cpu; cuda: .*; webgpu: \S+/);
    const onCpu = await load({ ...ENCODER, device: 'cpu' });
    expect(await vectorOf(fallen)).toEqual(await vectorOf(onCpu));
    await Promise.all([fallen.dispose(), onCpu.dispose()]);
  });

  it('leaves a graph on the CPU that would go there for every matrix', async ({ skip }) => {
    if (!thisMachine().runtimeDevices().includes('webgpu')) skip('ONNX Runtime has no WebGPU here');
    const source = join(folder, 'integers');
    writeChangedTales(source, makeIntegerOperator);
    const model = await load({ ...TALES, source }, seemingGpu());
    expect(model.report).toMatchObject({ device: 'cpu', dtype: 'q8' });
    expect(model.report.deviceReason).toContain(
      'webgpu: DynamicQuantizeLinear of its q8 graph would run on the CPU anyway',
    );
    await model.dispose();
  });

  it('leaves it out where it ended a process before', async () => {
    const progress: LoadProgress[] = [];
    const loaded = await load(ENCODER, seemingGpu(), {
      avoid: [{ device: 'webgpu', reason: 'the engine was ended by SIGSEGV' }],
      onProgress: (each) => progress.push(each),
    });
    expect(progress.filter(({ phase }) => phase === 'loading')).toMatchObject([{ device: 'cpu' }]);
    expect(loaded.report.deviceReason).toContain('webgpu: the engine was ended by SIGSEGV');
    await loaded.dispose();
  });

  it('never exchanges an explicit device', async ({ skip }) => {
    if (!thisMachine().runtimeDevices().includes('webgpu')) skip('ONNX Runtime has no WebGPU here');
    await expect(load({ ...ENCODER, device: 'webgpu' }, seemingGpu())).rejects.toMatchObject({
      code: expect.stringMatching(/^(device_unavailable|model_unsupported)$/) as string,
    });
  });
});
