import { randomUUID } from 'node:crypto';
import {
  AutoModel,
  AutoModelForSequenceClassification,
  type PreTrainedModel,
  type PreTrainedTokenizer,
} from '@huggingface/transformers';
import type { InferenceSession } from 'onnxruntime-node';
import { EncodeLoop } from '../encoding/encode-loop.js';
import { Encoder, type EncoderTask } from '../encoding/encoder.js';
import { InputEncoder } from '../encoding/input-encoder.js';
import { frameLength, probeFrames, type InputFrames } from '../encoding/input-frames.js';
import { ModelCalls } from '../encoding/model-calls.js';
import { OnnxEncoderModel, type EncoderOutput } from '../encoding/onnx-encoder-model.js';
import { InvalidRequestError, ModelLoadError, messageOf } from '../errors.js';
import { placementReport } from '../placement/report.js';
import { explainFailedRun, orDispose } from '../placement/session-error.js';
import { warmUpEncoder } from '../placement/warm-up.js';
import type { LoadReport } from '../protocol.js';
import type { ModelSpec, Task } from '../types.js';
import {
  parseEncoderConfig,
  readActivation,
  readEmbeddingSettings,
  readLabels,
  readMaxTokens,
  readSentenceLength,
  type EmbeddingSettings,
  type EncoderConfig,
} from './encoder-settings.js';
import { resolvePassLimits } from './limits.js';
import type { LoadedModel, PreparedLoad } from './load-model.js';
import { modelJsonReader } from './model-json.js';
import { loadPretrained, sessionOf, type AutoClass, type WeightsRequest } from './pretrained.js';
import { createCallTokenizer } from './transformers-codec.js';

type EncoderTaskName = Exclude<Task, 'text-generation'>;

/** @throws ModelLoadError */
export async function loadEncoder(prepared: PreparedLoad, taskName: EncoderTaskName): Promise<LoadedModel> {
  const { request } = prepared;
  const files = await readFiles(request, taskName);
  const pretrained = await loadPretrained(autoClassOf(taskName), request);
  return orDispose({ dispose: () => pretrained.dispose() }, () =>
    assemble(prepared, taskName, { ...files, pretrained }),
  );
}

/** What an encoder is made of besides tokenizer and settings. */
interface EncoderParts {
  readonly embedding: EmbeddingSettings | undefined;
  readonly sentenceLength: number | undefined;
  readonly pretrained: PreTrainedModel;
}

async function readFiles(
  { spec, folder }: WeightsRequest,
  taskName: EncoderTaskName,
): Promise<Omit<EncoderParts, 'pretrained'>> {
  const read = modelJsonReader(folder);
  const embedding = taskName === 'feature-extraction' ? await readEmbeddingSettings(spec, read) : undefined;
  return { embedding, sentenceLength: embedding ? embedding.maxTokens : await readSentenceLength(read) };
}

async function assemble(
  { request, placement, tokenizer, encoder, encoderReady, context }: PreparedLoad,
  taskName: EncoderTaskName,
  { embedding, sentenceLength, pretrained }: EncoderParts,
): Promise<LoadedModel> {
  const { spec, device } = request;
  const session = sessionOf(pretrained);
  if (!session) throw notAnEncoder(spec, 'it consists of several graphs');
  const config = parseEncoderConfig(pretrained.config);
  const frames = probeFrames((text, { pair, special }) =>
    tokenizer.encode(text, {
      ...(pair === undefined ? {} : { text_pair: pair }),
      add_special_tokens: special,
    }),
  );
  const model = createModel(spec, session, embedding);
  const task = taskOf(taskName, { spec, config, embedding, size: await tryOut(model, frames, request) });
  if (taskName === 'reranking' && !frames.pair)
    throw notAnEncoder(spec, "its tokenizer doesn't put two texts together");
  const maxTokens = readMaxTokens(spec, config, { tokenizerLength: lengthOf(tokenizer), sentenceLength });
  context.onProgress({ phase: 'warming-up' });
  const { limits, warning } = await warmUpEncoder(model, resolvePassLimits(spec, device), maxTokens).catch(
    (error: unknown) => {
      throw explainFailedRun({ source: spec.source, device }, error);
    },
  );
  await encoderReady;
  const { vocab_size: vocabSize } = config;
  const instanceId = randomUUID();
  const calls = new ModelCalls({
    instanceId,
    tokenizer: createCallTokenizer(tokenizer, encoder),
    encoder: new Encoder(
      task,
      new InputEncoder({ texts: encoder, frames, maxTokens, vocabSize }),
      new EncodeLoop(model, limits, context),
    ),
  });
  const report = {
    instanceId,
    loadedAt: new Date().toISOString(),
    ...placementReport(placement, [warning]),
    maxInputTokens: maxTokens,
    ...whatItTells(task),
    pid: process.pid,
  };
  const dispose = async (): Promise<void> => {
    await Promise.all([encoder.close(), pretrained.dispose()]);
  };
  return { generator: NO_GENERATOR, calls, report, dispose };
}

/** An encoder is asked to generate only if somebody sends it another model's request. */
const NO_GENERATOR: LoadedModel['generator'] = {
  submit: (_, sink) =>
    sink.failed(
      new InvalidRequestError('task_not_supported', "This model doesn't generate text.", { param: 'model' }),
    ),
  cancel: () => undefined,
};

function autoClassOf(task: EncoderTaskName): AutoClass {
  return task === 'feature-extraction' ? AutoModel : AutoModelForSequenceClassification;
}

function createModel(
  spec: ModelSpec,
  session: InferenceSession,
  embedding: EmbeddingSettings | undefined,
): OnnxEncoderModel {
  try {
    return new OnnxEncoderModel(session, outputOf(spec, session.outputNames, embedding));
  } catch (error) {
    if (error instanceof ModelLoadError) throw error;
    throw notAnEncoder(spec, messageOf(error), error);
  }
}

/** @throws ModelLoadError if the graph doesn't have what the task needs */
function outputOf(
  spec: ModelSpec,
  names: readonly string[],
  embedding: EmbeddingSettings | undefined,
): EncoderOutput {
  const has = (name: string): string | undefined => (names.includes(name) ? name : undefined);
  if (!embedding) {
    if (has('logits')) return { kind: 'rows', name: 'logits' };
    throw notAnEncoder(spec, `its graph has no output 'logits', but ${names.join(', ')}`);
  }
  const states = has('last_hidden_state') ?? has('token_embeddings');
  const whole = has('sentence_embedding');
  // what comes behind the pooling is in the graph, or nowhere
  const { layers, pooling } = embedding;
  if (whole && (layers.length > 0 || !states)) return { kind: 'rows', name: whole };
  if (layers.length > 0)
    throw notAnEncoder(
      spec,
      `its modules.json names ${layers.join(', ')}, which its graph does not hold, as one with the output sentence_embedding does`,
    );
  if (states) return { kind: 'tokens', name: states, pooling };
  throw notAnEncoder(spec, `its graph has no output 'last_hidden_state', but ${names.join(', ')}`);
}

/**
 * A model counts as loaded when it has run: a graph can be read and still not run.
 * @returns how many numbers it makes of an input
 */
async function tryOut(
  model: OnnxEncoderModel,
  { single }: InputFrames,
  { spec, device }: WeightsRequest,
): Promise<number> {
  const tokens = Int32Array.from(frameLength(single) > 0 ? [...single.before, ...single.after] : [0]);
  try {
    // two of different lengths, as they come
    const [vector] = await model.forward([{ tokens }, { tokens: Int32Array.from([...tokens, ...tokens]) }]);
    return vector?.length ?? 0;
  } catch (error) {
    throw explainFailedRun({ source: spec.source, device }, error);
  }
}

function taskOf(
  task: EncoderTaskName,
  {
    spec,
    config,
    embedding,
    size,
  }: { spec: ModelSpec; config: EncoderConfig; embedding: EmbeddingSettings | undefined; size: number },
): EncoderTask {
  if (embedding) {
    const { normalize, prompts, defaultPrompt } = embedding;
    return { task: 'feature-extraction', dimensions: size, normalize, prompts, defaultPrompt };
  }
  if (task === 'reranking') {
    if (size === 1) return { task };
    throw notAnEncoder(spec, `a reranker has one output, not ${size}; set task: text-classification`);
  }
  return {
    task: 'text-classification',
    labels: readLabels(config, size),
    activation: readActivation(config, size),
  };
}

function whatItTells(task: EncoderTask): Pick<LoadReport, 'dimensions' | 'labels' | 'promptNames'> {
  switch (task.task) {
    case 'feature-extraction': {
      const promptNames = [...task.prompts.keys()];
      return { dimensions: task.dimensions, ...(promptNames.length > 0 ? { promptNames } : {}) };
    }
    case 'text-classification':
      return { labels: task.labels };
    case 'reranking':
      return {};
    default:
      return task satisfies never;
  }
}

function lengthOf(tokenizer: PreTrainedTokenizer): number {
  return (tokenizer as unknown as { readonly model_max_length: number }).model_max_length;
}

function notAnEncoder({ source, task }: ModelSpec, reason: string, cause?: unknown): ModelLoadError {
  return new ModelLoadError(
    'model_unsupported',
    `'${source}' can't do ${task}: ${reason}. Set the task that it is for, or take another model or export.`,
    { cause },
  );
}
