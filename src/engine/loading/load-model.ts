import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { ModelLoadError, messageOf } from '../errors.js';
import type { CallAnswerer } from '../encoding/model-calls.js';
import type { TextGenerator } from '../generation/text-generator.js';
import type { LoadReport } from '../protocol.js';
import { PromptEncoder } from '../tokenization/prompt-encoder.js';
import type { HubOptions, LoadContext, ModelSpec } from '../types.js';
import { chooseDevice, chooseDtype } from './choose.js';
import { loadEncoder } from './load-encoder.js';
import { loadGenerator } from './load-generator.js';
import { parseModelSource } from './model-source.js';
import type { WeightsRequest } from './pretrained.js';
import { availableDtypes, configureTransformers, devicesHere, loadTokenizer } from './transformers-files.js';

export interface LoadedModel {
  /** Of an encoder: refuses everything. */
  readonly generator: Pick<TextGenerator, 'submit' | 'cancel'>;
  readonly calls: CallAnswerer;
  readonly report: LoadReport;
}

/** What every model needs before its weights are loaded. */
export interface PreparedLoad {
  readonly request: WeightsRequest;
  readonly tokenizer: PreTrainedTokenizer;
  /** The tokenizer in threads. */
  readonly encoder: PromptEncoder;
  /** They can be used; rejects with a ModelLoadError. To be awaited after the weights. */
  readonly encoderReady: Promise<void>;
}

/** Nobody is told how it goes. */
const UNATTENDED: LoadContext = { avoid: [], onProgress: () => undefined, onCondition: () => undefined };

/**
 * Loads tokenizer and weights through Transformers.js, once, and wraps them for what the model does.
 * @throws ModelLoadError: one sentence that says what is wrong and what to do
 */
export async function loadModel(
  spec: ModelSpec,
  hub: HubOptions,
  context: LoadContext = UNATTENDED,
): Promise<LoadedModel> {
  const prepared = await prepare(spec, hub, context);
  switch (spec.task) {
    case 'text-generation':
      return loadGenerator(prepared);
    case 'feature-extraction':
    case 'text-classification':
    case 'reranking':
      return loadEncoder(prepared, spec.task);
    default:
      return spec.task satisfies never;
  }
}

async function prepare(spec: ModelSpec, hub: HubOptions, { onProgress }: LoadContext): Promise<PreparedLoad> {
  const source = parseModelSource(spec.source);
  configureTransformers(source, hub);
  const device = chooseDevice(spec.device, devicesHere());
  const dtype = chooseDtype(spec.dtype, await availableDtypes(source, spec.dtype));
  onProgress({ phase: 'loading', device, dtype });
  const tokenizer = await loadTokenizer(source, spec);
  // while the weights load
  const encoder = new PromptEncoder(tokenizer);
  const encoderReady = encoder.warmUp().catch((error: unknown) => {
    throw new ModelLoadError(
      'tokenizer_not_found',
      `The tokenizer of '${spec.source}' can't be used: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  });
  encoderReady.catch(() => undefined); // awaited after the weights, if they load
  return { request: { spec, source, device, dtype, hub }, tokenizer, encoder, encoderReady };
}
