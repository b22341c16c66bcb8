import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeModelFile, type ModelProto } from '../../src/engine/onnx/proto/index.js';
import type { WeightKind } from './graph-builder.js';
import { writeGguf } from './gguf.js';
import { toHalf } from './half-model.js';
import { buildLlama } from './llama-graph.js';
import { ROPE_THETA, RMS_EPSILON, headDim, type ModelShape } from './shape.js';
import { extendTokenizer } from './tokenizer.js';

/** Part of every generated name: a generator that writes something else gets another number. */
const GENERATOR_VERSION = 1;

const cacheFolder = fileURLToPath(new URL('../models', import.meta.url));
const talesFolder = fileURLToPath(new URL('../../models/tales', import.meta.url));

/** The file names by which Transformers.js knows how the weights are stored; it calls `i8` q8, too. */
const FILES: Readonly<Record<WeightKind | 'fp16', string>> = {
  fp16: 'model_fp16.onnx',
  q8: 'model_quantized.onnx',
  i8: 'model_quantized.onnx',
  fp32: 'model.onnx',
};

/**
 * A model folder of this shape, as Transformers.js and Resident load one: made with random weights, and the tokenizer of
 * `tales` with made-up words behind its own. Made once, then kept in `bench/models`.
 * @returns the folder
 */
export async function ensureModelFolder(
  name: string,
  shape: ModelShape,
  kind: WeightKind | 'fp16',
): Promise<string> {
  return ensure(`${name}-${kind}`, async (folder) => {
    await mkdir(join(folder, 'onnx'), { recursive: true });
    await writeConfigs(folder, shape);
    const model = kind === 'fp16' ? toHalf(buildLlama(shape, 'fp32')) : buildLlama(shape, kind);
    await writeModelFile(join(folder, 'onnx', FILES[kind]), model);
  });
}

/**
 * A model that is there already, with float32 and float16 weights beside each other.
 * @param read - makes its float32 form
 * @returns the folder
 */
export async function ensureFloatFolder(
  name: string,
  source: string,
  read: () => ModelProto,
): Promise<string> {
  return ensure(`${name}-floats`, async (folder) => {
    await mkdir(join(folder, 'onnx'), { recursive: true });
    for (const file of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'])
      await copyFile(join(source, file), join(folder, file));
    const model = read();
    await writeModelFile(join(folder, 'onnx', FILES.fp32), model);
    await writeModelFile(join(folder, 'onnx', FILES.fp16), toHalf(model));
  });
}

/** A model file of this shape for llama.cpp, in Q8_0. @returns the file */
export async function ensureGguf(name: string, shape: ModelShape): Promise<string> {
  return ensure(`${name}-q8_0.gguf`, (path) => writeGguf(path, shape));
}

/** Makes it under another name first: what was interrupted is never taken for the whole. */
async function ensure(name: string, make: (path: string) => Promise<void>): Promise<string> {
  const path = join(cacheFolder, `v${GENERATOR_VERSION}`, name);
  if (existsSync(path)) return path;
  process.stderr.write(`making ${name} ...\n`);
  const unfinished = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  try {
    await make(unfinished);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return path;
}

async function writeConfigs(folder: string, shape: ModelShape): Promise<void> {
  const tokenizer = JSON.parse(await readFile(join(talesFolder, 'tokenizer.json'), 'utf8')) as Parameters<
    typeof extendTokenizer
  >[0];
  const tokenizerConfig = JSON.parse(
    await readFile(join(talesFolder, 'tokenizer_config.json'), 'utf8'),
  ) as object;
  await writeJson(folder, 'config.json', configOf(shape));
  await writeJson(folder, 'tokenizer.json', extendTokenizer(tokenizer, shape.vocab));
  await writeJson(folder, 'tokenizer_config.json', { ...tokenizerConfig, model_max_length: shape.context });
  await copyFile(join(talesFolder, 'generation_config.json'), join(folder, 'generation_config.json'));
}

function configOf(shape: ModelShape): object {
  return {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    bos_token_id: 0,
    eos_token_id: 0,
    pad_token_id: null,
    hidden_act: 'silu',
    hidden_size: shape.hidden,
    head_dim: headDim(shape),
    intermediate_size: shape.intermediate,
    max_position_embeddings: shape.context,
    num_attention_heads: shape.heads,
    num_hidden_layers: shape.layers,
    num_key_value_heads: shape.kvHeads,
    rms_norm_eps: RMS_EPSILON,
    rope_theta: ROPE_THETA,
    tie_word_embeddings: true,
    use_cache: true,
    vocab_size: shape.vocab,
  };
}

async function writeJson(folder: string, name: string, value: object): Promise<void> {
  await writeFile(join(folder, name), `${JSON.stringify(value)}\n`);
}
