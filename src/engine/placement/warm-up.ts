import type { EncoderModel } from '../encoding/encoder-model.js';
import type { PassLimits } from '../encoding/encode-loop.js';
import { ModelLoadError, messageOf } from '../errors.js';
import type { CausalModel, SequenceCache } from '../models/causal-model.js';
import type { Limits } from '../scheduling/scheduled.js';
import { isOutOfMemory, NotFiniteError } from './failures.js';

/** What the steps of a model may hold after its warm-up. */
export interface WarmedUp<L> {
  readonly limits: L;
  /** They are smaller than what was asked for: a sentence. */
  readonly warning: string | undefined;
}

/** Nothing smaller is tried. */
const LEAST_CHUNK = 16;

/**
 * Runs the largest steps that the limits admit, so that what fails fails before the model counts as ready: pieces of prompts,
 * second ones behind them, and a token for every row. Where there isn't the memory for them, the limits are halved.
 * @param contextLength in tokens
 * @throws ModelLoadError `insufficient_memory` if not even the smallest steps run
 */
export async function warmUpGenerator<Cache extends SequenceCache>(
  model: CausalModel<Cache>,
  limits: Limits,
  contextLength: number,
): Promise<WarmedUp<Limits>> {
  let now = limits;
  for (;;) {
    try {
      await runPrompts(model, now, contextLength);
      await runRows(model, now.maxRows);
      return { limits: now, warning: now === limits ? undefined : explainSmaller(limits, now) };
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      const smaller = halved(now);
      if (smaller === undefined) throw noMemory(error);
      now = smaller;
    }
  }
}

/**
 * The same for an encoder: as many of the longest inputs as a pass holds.
 * @param maxTokens of one input
 */
export async function warmUpEncoder(
  model: EncoderModel,
  limits: PassLimits,
  maxTokens: number,
): Promise<WarmedUp<PassLimits>> {
  let { tokens } = limits;
  for (;;) {
    try {
      const length = Math.min(tokens, maxTokens);
      const row = { tokens: new Int32Array(length).fill(1) };
      await model.forward(Array.from({ length: Math.max(1, Math.floor(tokens / length)) }, () => row));
      if (tokens === limits.tokens) return { limits, warning: undefined };
      const smaller = { tokens, backgroundTokens: Math.min(tokens, limits.backgroundTokens) };
      return {
        limits: smaller,
        warning: `There is not enough memory for passes of ${limits.tokens} tokens: they have ${tokens}. Set batchTokens: ${tokens}, or give the model more memory.`,
      };
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      if (tokens <= LEAST_CHUNK) throw noMemory(error);
      tokens = Math.max(LEAST_CHUNK, Math.floor(tokens / 2));
    }
  }
}

/**
 * A step of prompts, and, if the context holds it, a second one behind it, which attends to a past. Several prompts, if the model runs
 * them in one pass.
 */
async function runPrompts<Cache extends SequenceCache>(
  model: CausalModel<Cache>,
  { prefillChunk, stepTokens }: Limits,
  contextLength: number,
): Promise<void> {
  const count = Math.min(prefillChunk, contextLength - 1);
  const tokens = Array.from({ length: count }, (_, i) => tokenFor(model, i));
  const caches = Array.from({ length: Math.max(1, Math.floor(stepTokens / count)) }, () =>
    model.open(tokens),
  );
  try {
    const all = caches.map((cache) => ({ cache, tokens: tokens.slice(cache.length) }));
    const rows = model.passes(all).length === 1 ? all : all.slice(0, 1);
    const steps = 2 * count < contextLength ? 2 : 1;
    for (let i = 0; i < steps; i++) {
      const fitting = rows.filter(({ cache, tokens: some }) => model.reserve(cache, some.length));
      if (fitting.length > 0) await run(model, fitting);
    }
  } finally {
    for (const cache of caches) model.close(cache);
  }
}

/** A token for as many rows as run together and have a place in the cache. */
async function runRows<Cache extends SequenceCache>(
  model: CausalModel<Cache>,
  maxRows: number,
): Promise<void> {
  const rows: { readonly cache: Cache; readonly tokens: readonly number[] }[] = [];
  const add = async (count: number): Promise<void> => {
    const more = Array.from({ length: count }, (_, i) => {
      const tokens = [tokenFor(model, rows.length + i)];
      return { cache: model.open(tokens), tokens };
    });
    rows.push(...more);
    // the token of its prompt, and the one behind it
    const fitting = more.filter(({ cache }) => model.reserve(cache, 2));
    if (fitting.length > 0) await run(model, fitting);
  };
  try {
    await add(Math.min(2, maxRows));
    // some graphs run one sequence in a pass: more of them take no more
    if (model.passes(rows).length === 1) await add(maxRows - rows.length);
    const started = rows.filter(({ cache }) => cache.length > 0);
    if (started.length > 0) await run(model, started);
  } finally {
    for (const { cache } of rows) model.close(cache);
  }
}

async function run<Cache extends SequenceCache>(
  model: CausalModel<Cache>,
  rows: readonly { readonly cache: Cache; readonly tokens: readonly number[] }[],
): Promise<void> {
  for (const pass of model.passes(rows)) {
    for (const logits of await model.forward(pass)) checkFinite(logits);
  }
}

/**
 * @param logits may hold -Infinity, which some models give to what is no token
 * @throws NotFiniteError
 */
export function checkFinite(logits: Float32Array): void {
  if (!logits.every((value) => value < Infinity) || !logits.some((value) => value > -Infinity))
    throw new NotFiniteError();
}

/** Ids that any vocabulary has, in an order that no text has. */
function tokenFor({ vocabSize }: { readonly vocabSize: number }, i: number): number {
  return (i * 7 + 3) % Math.min(vocabSize, 251);
}

function halved(limits: Limits): Limits | undefined {
  const least = limits.backgroundRows + 1;
  if (limits.maxRows <= least && limits.prefillChunk <= LEAST_CHUNK) return undefined;
  const prefillChunk = half(limits.prefillChunk, LEAST_CHUNK);
  return {
    ...limits,
    maxRows: half(limits.maxRows, least),
    prefillChunk,
    backgroundChunk: Math.min(limits.backgroundChunk, prefillChunk),
    stepTokens: half(limits.stepTokens, LEAST_CHUNK),
  };
}

function half(value: number, atLeast: number): number {
  return Math.max(Math.min(value, atLeast), Math.floor(value / 2));
}

function explainSmaller(asked: Limits, now: Limits): string {
  return (
    `There is not enough memory for steps of ${asked.maxRows} rows and pieces of ${asked.prefillChunk} tokens: they have ${now.maxRows} ` +
    `and ${now.prefillChunk}. Set maxRows: ${now.maxRows} and prefillChunk: ${now.prefillChunk}, or give the model more memory.`
  );
}

function noMemory(cause: unknown): ModelLoadError {
  return new ModelLoadError(
    'insufficient_memory',
    `The model was loaded, but there isn't the memory for the smallest step: ${messageOf(cause).split('\n', 1)[0]}. Free memory, or ` +
      `take smaller weights.`,
    { cause },
  );
}
