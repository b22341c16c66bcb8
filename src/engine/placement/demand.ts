import type { ConcreteDevice, ConcreteDtype, ModelSpec } from '../types.js';
import { resolveCacheMemory, resolveLimits, resolvePassLimits } from '../loading/limits.js';
import { isHalfPrecision } from './dtype-preference.js';
import type { MemoryDemand } from './memory-plan.js';
import { activationBytes, cacheBytesPerToken, type ModelShape } from './model-shape.js';

/** What is to be placed. */
export interface ModelSize {
  readonly spec: ModelSpec;
  /** Undefined: config.json doesn't say; then only the weights and what is set count. */
  readonly shape: ModelShape | undefined;
  /** Bytes of the weights' files. */
  readonly weights: ReadonlyMap<ConcreteDtype, number>;
}

/** The KV cache isn't cut below a sequence of the whole context, or of so many tokens if that is less. */
export const LEAST_CONTEXT = 2048;
/** Most tokens in a pass over several prompts, see `models/in-place-causal-model.ts`. */
const GROUP_TOKENS = 128;

/** What a model takes on a device, in a dtype. */
export function demandOf(
  { spec, shape, weights }: ModelSize,
  device: ConcreteDevice,
  dtype: ConcreteDtype,
): MemoryDemand {
  const file = weights.get(dtype) ?? 0;
  // a CPU sums in fp32: half-precision weights are unpacked
  const weightsBytes = device === 'cpu' && isHalfPrecision(dtype) ? 2 * file : file;
  const numberBytes = device !== 'cpu' && isHalfPrecision(dtype) ? 2 : 4;
  return spec.task === 'text-generation'
    ? { weightsBytes, ...generatorDemand(spec, shape, device, numberBytes) }
    : { weightsBytes, ...encoderDemand(spec, shape, device, numberBytes) };
}

type StepDemand = Omit<MemoryDemand, 'weightsBytes'>;

function generatorDemand(
  spec: ModelSpec,
  shape: ModelShape | undefined,
  device: ConcreteDevice,
  numberBytes: number,
): StepDemand {
  if (!shape) {
    const wanted = spec.kvCacheMemory ?? 0;
    return { activationBytes: () => 0, kvCache: { wanted, least: wanted } };
  }
  const { maxRows, prefillChunk, stepTokens } = resolveLimits(spec, device);
  const perToken = cacheBytesPerToken(shape, numberBytes);
  const context = shape.context ?? LEAST_CONTEXT;
  const useful = maxRows * context * perToken;
  // what is set beyond what all rows could use holds prefixes
  const wanted = resolveCacheMemory(spec, useful);
  const leastTokens = Math.min(context, LEAST_CONTEXT);
  // what the configuration says isn't cut
  const least = spec.kvCacheMemory === undefined ? Math.min(wanted, leastTokens * perToken) : wanted;
  const onCpu = device === 'cpu';
  // on a GPU all rows share a pass
  const tokens = onCpu ? Math.max(prefillChunk, maxRows, GROUP_TOKENS) : Math.max(stepTokens, maxRows);
  const logits = onCpu ? tokens : Math.max(prefillChunk, maxRows);
  return {
    kvCache: { wanted, least },
    activationBytes: (kvCacheBytes) => {
      const past = Math.min(context, Math.floor(kvCacheBytes / perToken));
      // on the CPU a piece of a prompt runs over a copy of its past in one piece
      const copy = onCpu ? past * perToken : 0;
      // a GPU's attention keeps no scores
      const attended = onCpu ? tokens + past : 0;
      return activationBytes(shape, { tokens, attended, logits }, numberBytes) + copy;
    },
  };
}

function encoderDemand(
  spec: ModelSpec,
  shape: ModelShape | undefined,
  device: ConcreteDevice,
  numberBytes: number,
): StepDemand {
  const kvCache = { wanted: 0, least: 0 };
  if (!shape) return { activationBytes: () => 0, kvCache };
  const budget = resolvePassLimits(spec, device).tokens;
  const longest = Math.min(spec.maxTokens ?? Infinity, shape.context ?? 512);
  // an input longer than the budget runs by itself
  const tokens = Math.max(budget, longest);
  const bytes = activationBytes(shape, { tokens, attended: longest, logits: 0 }, numberBytes);
  return { activationBytes: () => bytes, kvCache };
}
