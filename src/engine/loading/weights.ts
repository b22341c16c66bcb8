import { join } from 'node:path';
import { AutoModelForCausalLM, type PreTrainedModel } from '@huggingface/transformers';
import type { InferenceSession } from 'onnxruntime-node';
import { ModelLoadError, messageOf } from '../errors.js';
import { bytesPerToken } from '../models/in-place-memory.js';
import { InPlaceCausalModel } from '../models/in-place-causal-model.js';
import { gpuBytesPerToken } from '../models/gpu-memory.js';
import { PagedCausalModel } from '../models/paged-causal-model.js';
import { PlainCausalModel } from '../models/plain-causal-model.js';
import { BLOCK_FORM } from '../onnx/block-form.js';
import type { GraphForm } from '../onnx/graph-form.js';
import { PAGED_FORM } from '../onnx/paged-form.js';
import { prepareInPlaceGraph, type InPlaceGraph } from '../onnx/in-place-graph.js';
import { isOutOfMemory } from '../placement/failures.js';
import type { ModelSpec } from '../types.js';
import { resolveCacheMemory, resolveLimits } from './limits.js';
import { loadPretrained, sessionOf, type WeightsRequest } from './pretrained.js';
import { withSessionsBy, type CreateSession } from './session-substitution.js';

/** The session that was made, and what it was made of. */
export type LoadedWeights = {
  /** What Transformers.js knows of the model besides its session. */
  readonly pretrained: PreTrainedModel;
  readonly session: InferenceSession;
} & (
  | { readonly kvCache: 'inplace'; readonly form: GraphForm; readonly graph: ReadyGraph }
  | {
      readonly kvCache: 'plain';
      /** Why not in place, if that was tried. */
      readonly reason: string | undefined;
    }
);

/** Four blocks: what a model is tried out with when it is loaded. */
const LEAST_CACHE_TOKENS = 128;

export type LoadedCausalModel = InPlaceCausalModel | PagedCausalModel | PlainCausalModel;

type ReadyGraph = Extract<InPlaceGraph, { kind: 'ready' }>;

/**
 * Loads the weights through Transformers.js, over the rewritten graph where the KV cache is to stay in place.
 * @throws ModelLoadError
 */
export async function loadWeights(request: WeightsRequest): Promise<LoadedWeights> {
  const { spec, hub } = request;
  const form = formFor(request);
  let graph: ReadyGraph | undefined;
  let reason = typeof form === 'string' && spec.kvCache !== 'plain' ? form : undefined;
  const substitute = (original: CreateSession): CreateSession => {
    if (typeof form === 'string') return original;
    return async (model, options) => {
      if (typeof model !== 'string') return original(model, options);
      const prepared = await prepareInPlaceGraph({
        modelFile: model,
        cacheDir: join(hub.cacheDir, 'graphs'),
        form,
      });
      if (prepared.kind === 'unrecognised') {
        reason = prepared.reason;
        if (spec.kvCache === 'inplace') throw unrecognisedError(spec, prepared.reason);
        return original(model, options);
      }
      graph = prepared;
      return original(prepared.graph.model, withExtra(options, prepared.graph.extra));
    };
  };
  const pretrained = await withSessionsBy(substitute, () => loadPretrained(AutoModelForCausalLM, request));
  const session = sessionOf(pretrained);
  if (session === undefined) throw notADecoder(spec, 'it consists of several graphs');
  return graph && typeof form !== 'string'
    ? { pretrained, session, kvCache: 'inplace', form, graph }
    : { pretrained, session, kvCache: 'plain', reason };
}

/**
 * The model as the step loop runs it.
 * @param contextLength in tokens: what a sequence may take of the KV cache
 * @throws ModelLoadError if the graph isn't a decoder with a KV cache, or the memory for the cache is too little
 */
export async function createCausalModel(
  weights: LoadedWeights,
  { spec, device }: Pick<WeightsRequest, 'spec' | 'device'>,
  contextLength: number,
): Promise<LoadedCausalModel> {
  const fullTokens = resolveLimits(spec, device).maxRows * contextLength;
  const cacheBytes = (perToken: number): number => {
    const bytes = resolveCacheMemory(spec, fullTokens * perToken);
    if (bytes < LEAST_CACHE_TOKENS * perToken) throw tooLittleMemory(spec, LEAST_CACHE_TOKENS * perToken);
    return bytes;
  };
  try {
    const { session } = weights;
    if (weights.kvCache === 'plain') return new PlainCausalModel(session, cacheBytes);
    const { layers, vocabSize } = weights.graph;
    const options = { session, layers, vocabSize, prefixCaching: spec.prefixCache ?? true };
    return weights.form === PAGED_FORM
      ? await PagedCausalModel.create({ ...options, cacheBytes: cacheBytes(gpuBytesPerToken(layers)) })
      : new InPlaceCausalModel({ ...options, cacheBytes: cacheBytes(bytesPerToken(layers)) });
  } catch (error) {
    if (error instanceof ModelLoadError || isOutOfMemory(error)) throw error;
    throw notADecoder(spec, messageOf(error), error);
  }
}

/**
 * What the graph is to become.
 * @returns why it stays as it is, as a clause
 * @throws ModelLoadError if it must not
 */
function formFor({ spec, device, dtype }: WeightsRequest): GraphForm | string {
  if (spec.kvCache === 'plain') return 'it is meant to stay as it is';
  if (device === 'cpu') return BLOCK_FORM;
  if (device === 'webgpu') {
    if (dtype !== 'fp32' || spec.kvCache === 'inplace') return PAGED_FORM;
    return 'that cache is float16, and the model is to be float32';
  }
  if (spec.kvCache !== 'inplace') return `it is for the CPU and for WebGPU, and the model is on ${device}`;
  throw new ModelLoadError(
    'model_unsupported',
    `kvCache 'inplace' is for the CPU and for WebGPU, and the model is to be loaded on ${device}. Set kvCache: auto or device: cpu.`,
  );
}

/** Both trees of session configuration entries in one. */
function withExtra(
  options: InferenceSession.SessionOptions,
  session: Readonly<Record<string, unknown>>,
): InferenceSession.SessionOptions {
  const own = options.extra?.['session'] as Record<string, unknown> | undefined;
  // Transformers.js names outputs there that the new graph doesn't have
  const { preferredOutputLocation: _, ...rest } = options;
  return { ...rest, extra: { ...options.extra, session: { ...own, ...session } } };
}

function unrecognisedError({ source }: ModelSpec, reason: string): ModelLoadError {
  return new ModelLoadError(
    'model_unsupported',
    `kvCache 'inplace' does not understand the graph of '${source}': ${reason}. Set kvCache: auto or plain.`,
  );
}

function notADecoder({ source }: ModelSpec, reason: string, cause?: unknown): ModelLoadError {
  return new ModelLoadError(
    'model_unsupported',
    `'${source}' is not a decoder-only text-generation model: ${reason}. Set the task that it is for, or take another model.`,
    { cause },
  );
}

function tooLittleMemory({ source }: ModelSpec, least: number): ModelLoadError {
  return new ModelLoadError(
    'insufficient_memory',
    `The KV cache of '${source}' needs at least ${Math.ceil(least / 1024)} kb to run anything. Raise kvCacheMemory.`,
  );
}
