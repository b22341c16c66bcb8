import { InferenceSession, Tensor } from 'onnxruntime-node';
import { DataType, encodeModel, makeModel, makeNode, makeTensor, valueInfo } from '../onnx/proto/index.js';
import type { LayerShape } from './in-place-memory.js';

/** Of one float16. */
const BYTES = 2;
/** Of one buffer: what WebGPU binds on any GPU that is worth it, a little less than 2 GiB. */
const MOST_BUFFER = 2 ** 31 - 2 ** 20;
/** What the graph's inputs that hold the cache are called, and which layer and kind they are of. */
const KINDS = ['key', 'value'] as const;

/** Of keys and values, all layers, as {@link GpuMemory} keeps them. */
export function gpuBytesPerToken(layers: readonly LayerShape[]): number {
  return layers.reduce((sum, { kvHeads, headDim }) => sum + 2 * kvHeads * headDim * BYTES, 0);
}

/** Blocks that so many bytes hold, as far as the keys of a layer go into one buffer. */
export function gpuBlocks(layers: readonly LayerShape[], blockTokens: number, bytes: number): number {
  const largest = Math.max(...layers.map(({ kvHeads, headDim }) => kvHeads * headDim * BYTES * blockTokens));
  return Math.floor(Math.min(bytes / (blockTokens * gpuBytesPerToken(layers)), MOST_BUFFER / largest));
}

/**
 * The KV cache in the GPU's memory: for each layer the keys and the values of all blocks, `[blocks, blockTokens, kvHeads, headDim]`
 * float16. It never crosses to the host: the graph writes into it where it lies.
 */
export class GpuMemory {
  /** The graph's inputs. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Its allocator owns the buffers. */
  readonly #maker: InferenceSession;

  private constructor(maker: InferenceSession, inputs: Readonly<Record<string, Tensor>>) {
    this.#maker = maker;
    this.inputs = inputs;
  }

  /**
   * Takes the memory, all of it, filled with zeros.
   * @throws Error if the device doesn't have it
   */
  static async create(
    layers: readonly LayerShape[],
    blocks: number,
    blockTokens: number,
  ): Promise<GpuMemory> {
    const maker = await InferenceSession.create(zerosModel(), {
      executionProviders: ['webgpu'],
      preferredOutputLocation: 'gpu-buffer',
    });
    const inputs: Record<string, Tensor> = {};
    try {
      for (const [layer, { kvHeads, headDim }] of layers.entries()) {
        const dims = BigInt64Array.from([blocks, blockTokens, kvHeads, headDim], BigInt);
        for (const kind of KINDS) {
          const { zeros } = await maker.run({ dims: new Tensor('int64', dims, [4]) });
          inputs[`past_key_values.${layer}.${kind}`] = zeros as Tensor;
        }
      }
    } catch (error) {
      dispose(inputs);
      await maker.release();
      throw error;
    }
    return new GpuMemory(maker, inputs);
  }

  async release(): Promise<void> {
    dispose(this.inputs);
    await this.#maker.release();
  }
}

function dispose(tensors: Readonly<Record<string, Tensor>>): void {
  for (const tensor of Object.values(tensors)) tensor.dispose();
}

/** Zeros of the shape that it is given. Not `ConstantOfShape`, which makes them on the host. */
function zerosModel(): Uint8Array {
  return encodeModel(
    makeModel({
      nodes: [makeNode('Expand', ['zero', 'dims'], ['zeros'])],
      inputs: [valueInfo('dims', DataType.INT64, [4])],
      outputs: [valueInfo('zeros', DataType.FLOAT16, ['blocks', 'block_tokens', 'kv_heads', 'head_dim'])],
      initializers: [makeTensor('zero', DataType.FLOAT16, [1, 1, 1, 1], new Uint16Array(1))],
      opset: 17,
    }),
  );
}
