import type { ConstraintCompiler } from '../constraints/constraint-compiler.js';
import type { TokenConstraint } from '../constraints/token-constraint.js';
import { asResidentError, InvalidRequestError } from '../errors.js';
import type { CausalModel, SequenceCache } from '../models/causal-model.js';
import type { Limits } from '../scheduling/scheduled.js';
import type { Constraint, GenerationRequest, Priority, Prompt } from '../types.js';
import { showing, type ToolSupport } from '../tools/tool-support.js';
import type { Decode } from './detokenizer.js';
import { Sequence } from './sequence.js';
import { StepLoop, type SequenceSink, type StepLoopContext } from './step-loop.js';

/** What generation needs of a tokenizer on the thread of the step loop. */
export interface TextCodec {
  /** Special tokens left out. */
  decode(tokens: number[]): string;
  readonly beginOfSequence: number | undefined;
}

/** A prompt that has yet to become tokens. */
export type UntokenizedPrompt = Exclude<Prompt, { kind: 'tokens' }>;

/** Makes tokens of prompts somewhere else: the step loop doesn't wait for it. */
export interface PromptEncoding {
  /** @throws InvalidRequestError if the model has no chat template or the template refuses the messages */
  encode(prompt: UntokenizedPrompt, signal: AbortSignal): Promise<ArrayLike<number>>;
}

/** What a request that leaves something open gets: from the model's generation config. */
export interface GenerationDefaults {
  readonly maxTokens: number | undefined;
  readonly temperature: number;
  readonly topP: number;
  /** 0: all tokens. */
  readonly topK: number;
  readonly repetitionPenalty: number;
}

export interface TextGeneratorOptions<Cache extends SequenceCache> {
  readonly instanceId: string;
  readonly model: CausalModel<Cache>;
  readonly limits: Limits;
  readonly codec: TextCodec;
  readonly encoder: PromptEncoding;
  readonly defaults: GenerationDefaults;
  readonly contextLength: number;
  readonly endOfSequence: ReadonlySet<number>;
  /** Default: a request with a constraint is refused. */
  readonly constraints?: ConstraintCompiler | undefined;
  /** How the model calls tools; default: a request with tools is refused. */
  readonly tools?: ToolSupport | undefined;
  /** Who is told how it fares. Default: nobody. */
  readonly health?: Omit<StepLoopContext, 'contextLength'> | undefined;
}

/** What a prompt becomes before it can be queued. */
interface PreparedPrompt {
  readonly tokens: readonly number[];
  readonly constraint: TokenConstraint | undefined;
}

/** One request as it comes to the generator. */
export interface Submission {
  readonly id: number;
  readonly request: GenerationRequest;
  readonly priority: Priority;
  /** Whoever sent it: clients of one priority share the model evenly. */
  readonly client: string;
}

/** A loaded text-generation model: requests in, events out. Knows nothing of processes. */
export class TextGenerator<Cache extends SequenceCache = SequenceCache> {
  readonly #options: TextGeneratorOptions<Cache>;
  readonly #loop: StepLoop<Cache>;
  /** Requests whose prompt isn't tokens yet, or whose constraint isn't compiled. */
  readonly #preparing = new Map<number, AbortController>();

  constructor(options: TextGeneratorOptions<Cache>) {
    this.#options = options;
    const { model, limits, instanceId, contextLength, health } = options;
    this.#loop = new StepLoop(model, limits, instanceId, { ...health, contextLength });
  }

  /** Queues a request. What is wrong with it is reported through the sink, too. */
  submit(submission: Submission, sink: SequenceSink): void {
    const { prompt, constraint } = submission.request;
    if (prompt.kind === 'tokens' && !constraint) {
      this.#attempt(sink, () => {
        this.#checkTokens(prompt.tokens, 'prompt');
        this.#enqueue(submission, { tokens: prompt.tokens, constraint: undefined }, sink);
      });
    } else {
      void this.#prepareAndEnqueue(submission, sink);
    }
  }

  cancel(id: number): void {
    this.#preparing.get(id)?.abort();
    this.#preparing.delete(id);
    this.#loop.cancel(id);
  }

  async #prepareAndEnqueue(submission: Submission, sink: SequenceSink): Promise<void> {
    const { id, request } = submission;
    const aborter = new AbortController();
    this.#preparing.set(id, aborter);
    try {
      const constraint = request.constraint && (await this.#compile(request.constraint));
      const tokens = await this.#tokenize(request.prompt, aborter.signal);
      if (!this.#preparing.delete(id)) return; // cancelled
      this.#attempt(sink, () => this.#enqueue(submission, { tokens, constraint }, sink));
    } catch (error) {
      if (this.#preparing.delete(id)) sink.failed(asResidentError(error));
    }
  }

  async #tokenize(prompt: Prompt, signal: AbortSignal): Promise<readonly number[]> {
    if (prompt.kind === 'tokens') {
      this.#checkTokens(prompt.tokens, 'prompt');
      return prompt.tokens;
    }
    if (prompt.kind === 'chat' && prompt.tools && !this.#options.tools) throw toolsError();
    return Array.from(await this.#options.encoder.encode(prompt, signal));
  }

  #compile(constraint: Constraint): Promise<TokenConstraint> {
    if (constraint.kind === 'tool-calls' && !this.#options.tools) throw toolsError();
    const { constraints } = this.#options;
    if (constraints) return constraints.compile(constraint);
    throw new InvalidRequestError('unsupported_parameter', 'This model has no constrained decoding.', {
      param: 'response_format',
    });
  }

  #attempt(sink: SequenceSink, run: () => void): void {
    try {
      run();
    } catch (error) {
      sink.failed(asResidentError(error));
    }
  }

  #enqueue(submission: Submission, prepared: PreparedPrompt, sink: SequenceSink): void {
    const tokens = this.#orBegin(prepared.tokens);
    const sequence = this.#createSequence(submission, { ...prepared, tokens });
    this.#loop.add(sequence, this.#telling(submission.request, prepared.tokens, sink));
  }

  /** Adds to `start` what only the request's prompt tells. */
  #telling({ prompt, echo }: GenerationRequest, tokens: readonly number[], sink: SequenceSink): SequenceSink {
    const toolFormat = prompt.kind === 'chat' && prompt.tools ? this.#options.tools?.format : undefined;
    if (!echo && !toolFormat) return sink;
    const { codec } = this.#options;
    const promptText = !echo ? undefined : prompt.kind === 'text' ? prompt.text : codec.decode([...tokens]);
    return {
      event: (event) => sink.event(event.type === 'start' ? { ...event, promptText, toolFormat } : event),
      failed: (error) => sink.failed(error),
    };
  }

  #createSequence(submission: Submission, { tokens, constraint }: PreparedPrompt): Sequence {
    const { id, request, priority, client } = submission;
    const { codec, tools } = this.#options;
    const maxTokens = this.#resolveMaxTokens(tokens.length, request);
    this.#checkRoom(tokens.length + maxTokens, request);
    const sampling = this.#resolveSampling(request, maxTokens);
    const stopTokens = constraint?.endings(sampling.stopTokens) ?? sampling.stopTokens;
    const decode: Decode = (some) => codec.decode(some);
    const seesCalls = tools && request.prompt.kind === 'chat' && request.prompt.tools;
    return new Sequence(
      { id, priority, client, promptTokens: tokens, maxTokens, constraint, ...sampling, stopTokens },
      seesCalls ? showing(tools.markers, decode) : decode,
    );
  }

  /** @throws InvalidRequestError for what could not be held even if nothing else ran: it would wait for ever */
  #checkRoom(tokens: number, { prompt }: GenerationRequest): void {
    const { blocks, blockTokens } = this.#options.model;
    if (tokens <= blocks * blockTokens) return;
    throw contextError(
      `The KV cache of this server holds ${blocks * blockTokens} tokens, but the request could take ${tokens}. ` +
        `Shorten the prompt, ask for fewer tokens, or have the operator raise kvCacheMemory.`,
      prompt.kind === 'chat' ? 'messages' : 'prompt',
    );
  }

  #resolveSampling(request: GenerationRequest, maxTokens: number) {
    const { defaults, endOfSequence } = this.#options;
    const stopTokens = new Set([
      ...(request.ignoreEos ? [] : endOfSequence),
      ...(request.stopTokenIds ?? []),
    ]);
    this.#checkTokens(request.logitBias?.keys() ?? [], 'logit_bias');
    this.#checkTokens(request.stopTokenIds ?? [], 'stop_token_ids');
    if ((request.minTokens ?? 0) > maxTokens) {
      const message = `min_tokens is ${request.minTokens}, but at most ${maxTokens} tokens are generated.`;
      throw new InvalidRequestError('invalid_value', message, { param: 'min_tokens' });
    }
    if (stopTokens.size >= this.#options.model.vocabSize) {
      const message = 'Every token of the model is a stop token: nothing could be generated.';
      throw new InvalidRequestError('invalid_value', message, { param: 'stop_token_ids' });
    }
    return {
      temperature: request.temperature ?? defaults.temperature,
      topP: request.topP ?? defaults.topP,
      topK: request.topK ?? defaults.topK,
      minP: request.minP ?? 0,
      repetitionPenalty: request.repetitionPenalty ?? defaults.repetitionPenalty,
      presencePenalty: request.presencePenalty ?? 0,
      frequencyPenalty: request.frequencyPenalty ?? 0,
      logitBias: request.logitBias ?? new Map<number, number>(),
      seed: request.seed,
      stop: request.stop ?? [],
      stopTokens,
      minTokens: request.minTokens ?? 0,
      logprobs: request.logprobs,
    };
  }

  /** @throws InvalidRequestError naming the first id that isn't one of the model's */
  #checkTokens(tokens: Iterable<number>, param: string): void {
    const { vocabSize } = this.#options.model;
    for (const token of tokens) {
      if (Number.isInteger(token) && token >= 0 && token < vocabSize) continue;
      throw new InvalidRequestError(
        'invalid_value',
        `${token} is not a token of this model: its ids go from 0 to ${vocabSize - 1}.`,
        { param },
      );
    }
  }

  /** An empty prompt becomes the token that begins a text. */
  #orBegin(tokens: readonly number[]): readonly number[] {
    if (tokens.length > 0) return tokens;
    const begin = this.#options.codec.beginOfSequence;
    if (begin !== undefined) return [begin];
    const message = 'The prompt is empty, and this model has no token that begins a text.';
    throw new InvalidRequestError('invalid_value', message, { param: 'prompt' });
  }

  #resolveMaxTokens(promptTokens: number, { prompt, maxTokens: asked }: GenerationRequest): number {
    const { contextLength, defaults, model } = this.#options;
    const room = contextLength - promptTokens;
    if (room < 1) {
      throw contextError(
        `This model's maximum context length is ${contextLength} tokens, but the prompt alone has ${promptTokens}. Shorten the prompt.`,
        prompt.kind === 'chat' ? 'messages' : 'prompt',
      );
    }
    if (asked !== undefined && asked > room) {
      throw contextError(
        `This model's maximum context length is ${contextLength} tokens, but ${promptTokens + asked} were requested ` +
          `(${promptTokens} in the prompt, ${asked} in the completion). Shorten the prompt or ask for at most ${room} tokens.`,
        'max_tokens',
      );
    }
    const held = model.blocks * model.blockTokens - promptTokens;
    return asked ?? Math.min(defaults.maxTokens ?? room, room, Math.max(1, held));
  }
}

function contextError(message: string, param: string): InvalidRequestError {
  return new InvalidRequestError('context_length_exceeded', message, { param });
}

function toolsError(): InvalidRequestError {
  const message =
    "This model's chat template has no tools, or writes calls in a format that this server can't read.";
  return new InvalidRequestError('unsupported_parameter', message, { param: 'tools' });
}
