import type {
  Calls,
  CallTiming,
  ClassificationRequest,
  EmbeddingRequest,
  EncoderInput,
  EngineCall,
  RerankRequest,
  TextPair,
} from '../encoder-types.js';
import { CancelledError, InvalidRequestError } from '../errors.js';
import type { EncodeLoop } from './encode-loop.js';
import type { InputEncoder } from './input-encoder.js';
import type { CallContext } from './model-calls.js';
import { normalized, scoreLabels, sigmoid, type Activation } from './vectors.js';

/** What a model makes of its vectors. */
export type EncoderTask =
  | {
      readonly task: 'feature-extraction';
      readonly dimensions: number;
      /** Unless the request says. */
      readonly normalize: boolean;
      /** Texts that may go before an input, by name. */
      readonly prompts: ReadonlyMap<string, string>;
      /** Name of the one that goes before inputs that name none. */
      readonly defaultPrompt: string | undefined;
    }
  | {
      readonly task: 'text-classification';
      readonly labels: readonly string[];
      /** Unless the request asks for logits. */
      readonly activation: Activation;
    }
  | { readonly task: 'reranking' };

type EmbeddingTask = Extract<EncoderTask, { task: 'feature-extraction' }>;
type ClassificationTask = Extract<EncoderTask, { task: 'text-classification' }>;
export type EncoderCall = Extract<EngineCall, { kind: 'embed' | 'classify' | 'rerank' }>;
/** The result of a call but for the load that answered. */
export type EncoderAnswer = {
  readonly [Kind in EncoderCall['kind']]: { readonly kind: Kind } & Omit<Calls[Kind]['result'], 'instanceId'>;
}[EncoderCall['kind']];

interface Encoded {
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
  readonly timing: CallTiming;
}

/** A loaded encoder: requests in, answers out. Knows nothing of processes. */
export class Encoder {
  readonly #task: EncoderTask;
  readonly #inputs: InputEncoder;
  readonly #loop: EncodeLoop;

  constructor(task: EncoderTask, inputs: InputEncoder, loop: EncodeLoop) {
    this.#task = task;
    this.#inputs = inputs;
    this.#loop = loop;
  }

  /** @throws ResidentError: InvalidRequestError, GenerationError, CancelledError when the signal aborts */
  async answer(call: EncoderCall, context: CallContext): Promise<EncoderAnswer> {
    switch (call.kind) {
      case 'embed':
        if (this.#task.task !== 'feature-extraction') throw this.#wrongTask('feature-extraction');
        return this.#embed(this.#task, call.request, context);
      case 'classify':
        if (this.#task.task !== 'text-classification') throw this.#wrongTask('text-classification');
        return this.#classify(this.#task, call.request, context);
      case 'rerank':
        if (this.#task.task !== 'reranking') throw this.#wrongTask('reranking');
        return this.#rerank(call.request, context);
      default:
        return call satisfies never;
    }
  }

  async #embed(task: EmbeddingTask, request: EmbeddingRequest, context: CallContext): Promise<EncoderAnswer> {
    const { dimensions = task.dimensions, normalize = task.normalize } = request;
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > task.dimensions)
      throw invalid(
        `This model's vectors have ${task.dimensions} dimensions: ask for 1 to that.`,
        'dimensions',
      );
    const inputs = withPrompt(task, request);
    const { vectors, ...rest } = await this.#encode(inputs, request, 'input', context);
    const embeddings = vectors.map((vector) => {
      const part = dimensions < vector.length ? vector.slice(0, dimensions) : vector;
      return normalize ? normalized(part) : part;
    });
    return { kind: 'embed', embeddings, ...rest };
  }

  async #classify(
    { labels, activation }: ClassificationTask,
    request: ClassificationRequest,
    context: CallContext,
  ): Promise<EncoderAnswer> {
    const { vectors, ...rest } = await this.#encode(request.inputs, request, 'input', context);
    const scores = request.rawScores ? 'raw' : activation;
    return {
      kind: 'classify',
      labels: vectors.map((logits) => scoreLabels(logits, labels, scores)),
      ...rest,
    };
  }

  async #rerank(request: RerankRequest, context: CallContext): Promise<EncoderAnswer> {
    const { query, documents, rawScores = false } = request;
    const pairs = documents.map((pair) => ({ text: query, pair }));
    const { vectors, ...rest } = await this.#encode(pairs, request, 'documents', context);
    const scores = vectors.map(([logit = 0]) => (rawScores ? logit : sigmoid(logit)));
    return { kind: 'rerank', scores, ...rest };
  }

  async #encode(
    inputs: readonly (EncoderInput | TextPair)[],
    { truncate = false }: { readonly truncate?: boolean | undefined },
    param: string,
    context: CallContext,
  ): Promise<Encoded> {
    const arrived = performance.now();
    if (inputs.length === 0) throw invalid('There must be at least one input.', param);
    const rows = await this.#inputs.encode(inputs, { truncate, param, signal: context.signal });
    if (context.signal.aborted) throw new CancelledError();
    const { vectors, startedAt } = await this.#loop.run(rows, context);
    return {
      vectors,
      promptTokens: rows.reduce((sum, { tokens }) => sum + tokens.length, 0),
      timing: { queueMs: startedAt - arrived, inferenceMs: performance.now() - startedAt },
    };
  }

  #wrongTask(asked: string): InvalidRequestError {
    return new InvalidRequestError(
      'task_not_supported',
      `This model does ${this.#task.task}, not ${asked}.`,
      {
        param: 'model',
      },
    );
  }
}

/** Models and interfaces name the same things differently. */
const SYNONYMS: readonly (readonly string[])[] = [
  ['query', 'search_query'],
  ['passage', 'document', 'search_document'],
];

/** The name itself first. */
function namesFor(name: string): readonly string[] {
  return [name, ...(SYNONYMS.find((names) => names.includes(name)) ?? [])];
}

function withPrompt(
  { prompts, defaultPrompt }: EmbeddingTask,
  { inputs, promptName }: EmbeddingRequest,
): readonly EncoderInput[] {
  const name = promptName ?? defaultPrompt;
  if (name === undefined) return inputs;
  const prompt = namesFor(name)
    .map((other) => prompts.get(other))
    .find((text) => text !== undefined);
  if (prompt === undefined) {
    const known = [...prompts.keys()].map((key) => `'${key}'`).join(', ');
    throw invalid(`The model has no prompt '${name}'. Prompts: ${known || 'none'}.`, 'prompt_name');
  }
  if (promptName !== undefined && inputs.some((input) => typeof input !== 'string'))
    throw invalid('A prompt goes before text, not before tokens.', 'prompt_name');
  return inputs.map((input) => (typeof input === 'string' ? prompt + input : input));
}

function invalid(message: string, param: string): InvalidRequestError {
  return new InvalidRequestError('invalid_value', message, { param });
}
