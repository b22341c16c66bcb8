import { randomUUID } from 'node:crypto';
import { ConstraintCompiler } from '../constraints/constraint-compiler.js';
import { tokenBytes } from '../constraints/token-bytes.js';
import { ModelLoadError, messageOf } from '../errors.js';
import { ModelCalls } from '../encoding/model-calls.js';
import { TextGenerator } from '../generation/text-generator.js';
import { InPlaceCausalModel } from '../models/in-place-causal-model.js';
import type { PlainCausalModel } from '../models/plain-causal-model.js';
import { templateOf } from '../tokenization/chat-template.js';
import { definitionOf } from '../tokenization/tokenizer-definition.js';
import { MARKERS } from '../tools/tool-format.js';
import { toolSupportOf } from '../tools/tool-support.js';
import type { ModelSpec } from '../types.js';
import { probeBatchEffect } from './batch-invariance.js';
import { resolveLimits } from './limits.js';
import type { LoadedModel, PreparedLoad } from './load-model.js';
import { readModelSettings } from './model-settings.js';
import { createCallTokenizer, createCodec } from './transformers-codec.js';
import { createCausalModel, loadWeights } from './weights.js';

/** @throws ModelLoadError */
export async function loadGenerator({
  request,
  tokenizer,
  encoder,
  encoderReady,
}: PreparedLoad): Promise<LoadedModel> {
  const { spec, device, dtype } = request;
  const weights = await loadWeights(request);
  const settings = readModelSettings(weights.pretrained, tokenizer);
  const model = createCausalModel(weights, spec, settings.contextLength);
  const batchInvariant = await tryOut(model, spec);
  await encoderReady;
  const instanceId = randomUUID();
  const definition = definitionOf(tokenizer);
  const tools = toolSupportOf(templateOf(definition, true), definition.tokenizer);
  const options = {
    instanceId,
    tools,
    constraints: new ConstraintCompiler({
      tokens: tokenBytes(definition.tokenizer, MARKERS),
      vocabSize: model.vocabSize,
      tools,
    }),
    limits: resolveLimits(spec),
    codec: createCodec(tokenizer, settings.beginOfSequence),
    encoder,
    ...settings,
  };
  const generator =
    model instanceof InPlaceCausalModel
      ? new TextGenerator({ ...options, model })
      : new TextGenerator({ ...options, model });
  const report = {
    instanceId,
    loadedAt: new Date().toISOString(),
    device,
    dtype,
    contextLength: settings.contextLength,
    kvCache: weights.kvCache,
    kvCacheReason: weights.kvCache === 'plain' ? weights.reason : undefined,
    kvCacheTokens: model.blocks * model.blockTokens,
    batchInvariant,
    pid: process.pid,
  };
  const calls = new ModelCalls({ instanceId, tokenizer: createCallTokenizer(tokenizer, encoder) });
  return { generator, calls, report };
}

/**
 * A model counts as loaded when it has run tokens, not before: a graph can be read and still not run.
 * @returns whether what runs beside a sequence changes nothing for it
 */
async function tryOut(model: InPlaceCausalModel | PlainCausalModel, { source }: ModelSpec): Promise<boolean> {
  try {
    if (!(model instanceof InPlaceCausalModel)) {
      await probeBatchEffect(model);
      return true; // one sequence in a pass
    }
    const effect = await probeBatchEffect(model);
    model.runsAlone = effect !== 'alone';
    return effect !== 'all';
  } catch (error) {
    throw new ModelLoadError(
      'model_unsupported',
      `'${source}' was loaded but can't run: ${messageOf(error)}.`,
      { cause: error },
    );
  }
}
