import { InferenceSession } from 'onnxruntime-node';
import { DataType, encodeModel, makeModel, makeNode, valueInfo } from '../../src/engine/onnx/proto/index.js';

/** For `describe.skipIf`: the reason is part of the name, so that a report shows it. */
export const WEBGPU_SKIP = 'needs a WebGPU adapter, be it a software one: mesa-vulkan-drivers 23 or newer';

/** Whether ONNX Runtime finds an adapter here. One that counts in software will do: what it computes is the same. */
export async function hasWebGpu(): Promise<boolean> {
  const dims = ['length'];
  const model = makeModel({
    nodes: [makeNode('Neg', ['x'], ['y'])],
    inputs: [valueInfo('x', DataType.FLOAT, dims)],
    outputs: [valueInfo('y', DataType.FLOAT, dims)],
    initializers: [],
  });
  try {
    const session = await InferenceSession.create(encodeModel(model), {
      executionProviders: ['webgpu'],
      logSeverityLevel: 4,
    });
    await session.release();
    return true;
  } catch {
    return false;
  }
}
