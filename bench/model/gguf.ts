import { open, type FileHandle } from 'node:fs/promises';
import { quantizeQ8_0, BLOCK } from './quantize.js';
import { RMS_EPSILON, ROPE_THETA, headDim, type ModelShape } from './shape.js';
import { randomEmbedding, randomLinear, type Matrix } from './weights.js';

/** https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */
const VERSION = 3;
const ALIGNMENT = 32;
const VALUE_TYPES = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 } as const;
const TENSOR_TYPES = { f32: 0, q8_0: 8 } as const;

interface TensorSpec {
  readonly name: string;
  /** The innermost first. */
  readonly dims: readonly number[];
  readonly type: keyof typeof TENSOR_TYPES;
  readonly bytes: number;
  readonly data: () => Uint8Array;
}

/** Writes a Llama-shaped model of random weights for llama.cpp, its matrices in Q8_0. */
export async function writeGguf(path: string, shape: ModelShape): Promise<void> {
  const tensors = tensorsOf(shape);
  const metadata = metadataOf(shape);
  const file = await open(path, 'w');
  try {
    const head = [Buffer.from('GGUF'), uint32(VERSION), uint64(tensors.length), uint64(metadata.length)];
    const length = await writeAll(file, [...head, ...metadata, ...tensorInfos(tensors)]);
    await file.writeFile(padding(length));
    for (const { data } of tensors) {
      const bytes = data();
      await file.writeFile(bytes);
      await file.writeFile(padding(bytes.byteLength));
    }
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, parts: readonly Uint8Array[]): Promise<number> {
  const bytes = Buffer.concat(parts);
  await file.writeFile(bytes);
  return bytes.byteLength;
}

function tensorInfos(tensors: readonly TensorSpec[]): Buffer[] {
  let offset = 0;
  return tensors.map(({ name, dims, type, bytes }) => {
    const info = [string(name), uint32(dims.length), ...dims.map(uint64), uint32(TENSOR_TYPES[type])];
    const at = offset;
    offset += bytes + padding(bytes).byteLength;
    return Buffer.concat([...info, uint64(at)]);
  });
}

function tensorsOf(shape: ModelShape): TensorSpec[] {
  const { hidden, intermediate, kvHeads, vocab } = shape;
  const kvSize = kvHeads * headDim(shape);
  const layers = Array.from({ length: shape.layers }, (_, layer) => {
    const name = (part: string): string => `blk.${layer}.${part}.weight`;
    return [
      norm(name('attn_norm'), hidden),
      linear(name('attn_q'), hidden, hidden),
      linear(name('attn_k'), kvSize, hidden),
      linear(name('attn_v'), kvSize, hidden),
      linear(name('attn_output'), hidden, hidden),
      norm(name('ffn_norm'), hidden),
      linear(name('ffn_gate'), intermediate, hidden),
      linear(name('ffn_up'), intermediate, hidden),
      linear(name('ffn_down'), hidden, intermediate),
    ];
  });
  // without an output.weight llama.cpp takes the embedding for it, too
  const embedding = matrix('token_embd.weight', vocab, hidden, () => randomEmbedding(vocab, hidden));
  return [embedding, norm('output_norm.weight', hidden), ...layers.flat()];
}

function linear(name: string, outputs: number, inputs: number): TensorSpec {
  return matrix(name, outputs, inputs, () => randomLinear(name, outputs, inputs));
}

function matrix(name: string, outputs: number, inputs: number, weights: () => Matrix): TensorSpec {
  const bytes = ((outputs * inputs) / BLOCK) * (BLOCK + 2);
  return { name, dims: [inputs, outputs], type: 'q8_0', bytes, data: () => quantizeQ8_0(weights()) };
}

function norm(name: string, size: number): TensorSpec {
  const data = (): Uint8Array => new Uint8Array(new Float32Array(size).fill(1).buffer);
  return { name, dims: [size], type: 'f32', bytes: size * 4, data };
}

function metadataOf(shape: ModelShape): Buffer[] {
  const tokens = vocabulary(shape.vocab);
  const sizes = {
    'general.alignment': ALIGNMENT,
    'llama.context_length': shape.context,
    'llama.embedding_length': shape.hidden,
    'llama.block_count': shape.layers,
    'llama.feed_forward_length': shape.intermediate,
    'llama.attention.head_count': shape.heads,
    'llama.attention.head_count_kv': shape.kvHeads,
    'llama.rope.dimension_count': headDim(shape),
    'llama.vocab_size': shape.vocab,
    'tokenizer.ggml.unknown_token_id': 0,
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
  };
  return [
    pair('general.architecture', 'string', string('llama')),
    pair('general.name', 'string', string('random')),
    ...Object.entries(sizes).map(([key, value]) => pair(key, 'uint32', uint32(value))),
    pair('llama.attention.layer_norm_rms_epsilon', 'float32', float32(RMS_EPSILON)),
    pair('llama.rope.freq_base', 'float32', float32(ROPE_THETA)),
    pair('tokenizer.ggml.model', 'string', string('llama')),
    pair(
      'tokenizer.ggml.tokens',
      'array',
      array(
        'string',
        tokens.map(({ text }) => string(text)),
      ),
    ),
    pair(
      'tokenizer.ggml.scores',
      'array',
      array(
        'float32',
        tokens.map((_, i) => float32(-i)),
      ),
    ),
    pair(
      'tokenizer.ggml.token_type',
      'array',
      array(
        'int32',
        tokens.map(({ type }) => uint32(type)),
      ),
    ),
  ];
}

const TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;

/** What llama.cpp insists on (the special tokens and the bytes), then made-up words. */
function vocabulary(size: number): { text: string; type: number }[] {
  const special = [
    { text: '<unk>', type: TOKEN_TYPES.unknown },
    { text: '<s>', type: TOKEN_TYPES.control },
    { text: '</s>', type: TOKEN_TYPES.control },
  ];
  const bytes = Array.from({ length: 256 }, (_, byte) => ({
    text: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    type: TOKEN_TYPES.byte,
  }));
  const words = Array.from({ length: size - special.length - bytes.length }, (_, i) => ({
    text: `▁${i.toString(36)}`,
    type: TOKEN_TYPES.normal,
  }));
  return [...special, ...bytes, ...words];
}

function pair(key: string, type: keyof typeof VALUE_TYPES, value: Buffer): Buffer {
  return Buffer.concat([string(key), uint32(VALUE_TYPES[type]), value]);
}

function array(type: keyof typeof VALUE_TYPES, values: readonly Buffer[]): Buffer {
  return Buffer.concat([uint32(VALUE_TYPES[type]), uint64(values.length), ...values]);
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint64(bytes.byteLength), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function float32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

/** What is missing behind `length` bytes to the next multiple of the alignment. */
function padding(length: number): Buffer {
  return Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);
}
