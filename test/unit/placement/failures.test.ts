import { describe, expect, it } from 'vitest';
import {
  isDeviceLost,
  isOutOfMemory,
  reasonOf,
  unknownArchitecture,
  unsupportedGraphReason,
} from '../../../src/engine/placement/failures.js';
import { explainFailedRun, explainFailedSession } from '../../../src/engine/placement/session-error.js';

// as ONNX Runtime 1.30.0 and V8 write them
const BAD_ALLOC =
  "Non-zero status code returned while running Expand node. Name:'big' Status Message: std::bad_alloc";
const ARENA =
  '/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:359 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to ' +
  'allocate memory for requested buffer of size 70368744177664';

describe('want of memory', () => {
  it.each([
    BAD_ALLOC,
    ARENA,
    'Array buffer allocation failed',
    'Invalid typed array length: 1099511627776',
    'CUDA failure 2: out of memory',
    'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY',
    'WebGPU error: Out of memory',
  ])('is recognised: %s', (message) => {
    expect(isOutOfMemory(new Error(message))).toBe(true);
  });

  it.each(['bad row', 'out of luck', 'Failed to get a WebGPU adapter.', 'memory is fine'])(
    'is not seen where there is none: %s',
    (message) => {
      expect(isOutOfMemory(new Error(message))).toBe(false);
    },
  );

  it('is not the loss of a device, which is recognised, too', () => {
    expect(isDeviceLost(new Error('[Device "main"] is lost.'))).toBe(true);
    expect(isDeviceLost(new Error('WebGPU device lost (1): VK_ERROR_DEVICE_LOST'))).toBe(true);
    expect(isDeviceLost(new Error(BAD_ALLOC))).toBe(false);
  });
});

describe('what is said of a failure', () => {
  it('is the reason without the place in ONNX Runtime that found it', () => {
    const error = new Error(
      '/onnxruntime_src/onnxruntime/core/x.cc:1209 onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : ok was false. Failed to load library libcuda.so.\n  at frame 1\n  at frame 2',
    );
    expect(reasonOf(error)).toBe('Failed to load library libcuda.so');
  });

  it('names the operator that failed', () => {
    expect(
      reasonOf(
        "Non-zero status code returned while running MultiHeadAttention node. Name:'layers.0.attention' Status Message: input `key_padding_mask` not implemented for webgpu",
      ),
    ).toBe('MultiHeadAttention: input `key_padding_mask` not implemented for webgpu');
  });

  it.each([
    [
      'This is an invalid model. In Node, ("last", FancyNorm, "", -1) : ("length": tensor(int64),) -> ("last",) , Error No Op registered for FancyNorm with domain_version of 17',
      'its graph has the operator FancyNorm',
    ],
    ['Fatal error: com.acme:Fancy(-1) is not a registered function/op', 'its graph has the operator Fancy'],
    [
      'This is an invalid model. In Node, ("last", FancyNorm, "com.acme", -1) : () -> () , Error No opset import for domain \'com.acme\'',
      "its graph has operators of the domain 'com.acme'",
    ],
    ['Opset 99 is under development and support for this is limited.', 'its graph is of opset 99'],
    ['Protobuf parsing failed.', undefined],
  ])('tells what a graph has that is unknown: %s', (message, reason) => {
    expect(unsupportedGraphReason(new Error(message))).toBe(reason);
  });

  it('tells an unknown architecture', () => {
    expect(unknownArchitecture(new Error('Unsupported model type: oddnet'))).toBe('oddnet');
  });
});

describe('a session that could not be made', () => {
  const request = { source: 'models/some', device: 'webgpu', dtype: 'fp16' } as const;

  it.each([
    ['Unsupported model type: oddnet', 'model_unsupported', 'model_type "oddnet"'],
    [
      'No Op registered for FancyNorm with domain_version of 17',
      'model_unsupported',
      'the operator FancyNorm',
    ],
    [ARENA, 'insufficient_memory', 'not enough memory to load'],
    ['Failed to get a WebGPU adapter.', 'device_unavailable', "Device 'webgpu' can't be used here"],
  ])('is explained: %s', (message, code, text) => {
    const failure = explainFailedSession(request, new Error(message));
    expect(failure).toMatchObject({ code });
    expect(failure?.message).toContain(text);
    expect(failure?.message).not.toMatch(/onnxruntime_src|\n/);
  });

  it('on the CPU may have a damaged file, which is explained elsewhere', () => {
    expect(
      explainFailedSession({ ...request, device: 'cpu' }, new Error('Protobuf parsing failed.')),
    ).toBeUndefined();
  });

  it('names the remedy for CUDA only where CUDA was asked for', () => {
    const explain = (device: 'cuda' | 'webgpu') =>
      explainFailedSession({ ...request, device }, new Error('x'))?.message;
    expect(explain('cuda')).toContain('ONNXRUNTIME_NODE_INSTALL=cuda12');
    expect(explain('webgpu')).not.toContain('ONNXRUNTIME_NODE_INSTALL');
  });

  it('of a model that does not run says where, and what there is to do', () => {
    const failure = explainFailedRun(
      request,
      new Error(BAD_ALLOC.replace('std::bad_alloc', 'not implemented.')),
    );
    expect(failure.message).toBe(
      "'models/some' was loaded but can't run on webgpu: Expand: not implemented. Set device: cpu, or auto.",
    );
    expect(explainFailedRun(request, new Error(BAD_ALLOC))).toMatchObject({ code: 'insufficient_memory' });
    expect(explainFailedRun(request, failure)).toBe(failure);
  });
});
