import { randomUUID } from 'node:crypto';
import { ConstraintCompiler } from '../constraints/constraint-compiler.js';
import { tokenBytes } from '../constraints/token-bytes.js';
import { ModelCalls } from '../encoding/model-calls.js';
import { TextGenerator } from '../generation/text-generator.js';
import { PagedCausalModel } from '../models/paged-causal-model.js';
import { PlainCausalModel } from '../models/plain-causal-model.js';
import type { CausalModel } from '../models/causal-model.js';
import { placementReport } from '../placement/report.js';
import { explainFailedRun, orDispose } from '../placement/session-error.js';
import { warmUpGenerator } from '../placement/warm-up.js';
import { templateOf } from '../tokenization/chat-template.js';
import { definitionOf } from '../tokenization/tokenizer-definition.js';
import { MARKERS } from '../tools/tool-format.js';
import { toolSupportOf } from '../tools/tool-support.js';
import { probeBatchEffect } from './batch-invariance.js';
import { resolveLimits } from './limits.js';
import type { LoadedModel, PreparedLoad } from './load-model.js';
import { readModelSettings } from './model-settings.js';
import { createCallTokenizer, createCodec } from './transformers-codec.js';
import { createCausalModel, loadWeights, type LoadedCausalModel, type LoadedWeights } from './weights.js';

/** @throws ModelLoadError */
export async function loadGenerator(prepared: PreparedLoad): Promise<LoadedModel> {
  const weights = await loadWeights(prepared.request);
  const { pretrained } = weights;
  return orDispose({ dispose: () => pretrained.dispose() }, () => assemble(prepared, weights));
}

async function assemble(
  { request, placement, tokenizer, encoder, encoderReady, context }: PreparedLoad,
  weights: LoadedWeights,
): Promise<LoadedModel> {
  const settings = readModelSettings(weights.pretrained, tokenizer);
  const { model, batchInvariant, limits, warning } = await start(
    { request, context },
    weights,
    settings.contextLength,
  );
  await encoderReady;
  const instanceId = randomUUID();
  const definition = definitionOf(tokenizer);
  const tools = toolSupportOf(templateOf(definition, true), definition.tokenizer);
  const tokens = () => tokenBytes(definition.tokenizer, MARKERS);
  const generator = new TextGenerator({
    instanceId,
    tools,
    constraints: new ConstraintCompiler({
      tokens: context.onDemand ? tokens : tokens(),
      vocabSize: model.vocabSize,
      tools,
    }),
    limits,
    codec: createCodec(tokenizer, settings.beginOfSequence),
    encoder,
    ...settings,
    model,
    health: context,
  });
  const report = {
    instanceId,
    loadedAt: new Date().toISOString(),
    ...placementReport(placement, [warning]),
    contextLength: settings.contextLength,
    kvCache: weights.kvCache,
    kvCacheReason: weights.kvCache === 'plain' ? weights.reason : undefined,
    kvCacheTokens: model.blocks * model.blockTokens,
    batchInvariant,
    pid: process.pid,
  };
  const calls = new ModelCalls({ instanceId, tokenizer: createCallTokenizer(tokenizer, encoder) });
  const dispose = async (): Promise<void> => {
    await Promise.all([encoder.close(), model.dispose?.(), weights.pretrained.dispose()]);
  };
  return { generator, calls, report, dispose };
}

/** The model, once it has run the largest steps. */
async function start(
  { request: { spec, device }, context }: Pick<PreparedLoad, 'request' | 'context'>,
  weights: LoadedWeights,
  contextLength: number,
) {
  let model: LoadedCausalModel | undefined;
  try {
    model = await createCausalModel(weights, { spec, device }, contextLength);
    const batchInvariant = await tryOut(model);
    const limits = resolveLimits(spec, device);
    // whoever uses it only hands caches back to the model that made them
    const any = model as CausalModel;
    if (context.onDemand) return { model: any, batchInvariant, limits, warning: undefined };
    context.onProgress({ phase: 'warming-up' });
    return { model: any, batchInvariant, ...(await warmUpGenerator(any, limits, contextLength)) };
  } catch (error) {
    await (model as CausalModel | undefined)?.dispose?.();
    throw explainFailedRun({ source: spec.source, device }, error);
  }
}

/**
 * A model counts as loaded when it has run tokens, not before: a graph can be read and still not run.
 * @returns whether what runs beside a sequence changes nothing for it
 */
async function tryOut(model: LoadedCausalModel): Promise<boolean> {
  if (model instanceof PlainCausalModel) {
    await probeBatchEffect(model);
    return true; // one sequence in a pass
  }
  if (model instanceof PagedCausalModel) {
    await probeBatchEffect(model);
    return false; // a GPU has other kernels for other numbers of rows: a few rows don't tell
  }
  const effect = await probeBatchEffect(model);
  model.runsAlone = effect !== 'alone';
  return effect !== 'all';
}
