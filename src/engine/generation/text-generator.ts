import { InvalidRequestError, messageOf, ResidentError } from '../errors.js';
import type { GenerationRequest, Priority, Prompt } from '../types.js';
import type { CausalModel } from './causal-model.js';
import { Sequence } from './sequence.js';
import { StepLoop, type SequenceSink } from './step-loop.js';

/** What generation needs of a tokenizer. */
export interface TextCodec {
  /** `special`: add what the model wants around a text (a beginning-of-sequence token, mostly). */
  encode(text: string, options: { readonly special: boolean }): number[];
  /** Special tokens left out. */
  decode(tokens: number[]): string;
  readonly beginOfSequence: number | undefined;
  /** @throws InvalidRequestError if the model has no chat template or the template refuses the messages */
  renderChat(messages: readonly { role: string; content: string }[]): string;
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

export interface TextGeneratorOptions<Cache> {
  readonly instanceId: string;
  readonly model: CausalModel<Cache>;
  readonly codec: TextCodec;
  readonly defaults: GenerationDefaults;
  readonly contextLength: number;
  readonly endOfSequence: ReadonlySet<number>;
}

/** A loaded text-generation model: requests in, events out. Knows nothing of processes. */
export class TextGenerator<Cache = unknown> {
  readonly #options: TextGeneratorOptions<Cache>;
  readonly #loop: StepLoop<Cache>;

  constructor(options: TextGeneratorOptions<Cache>) {
    this.#options = options;
    this.#loop = new StepLoop(options.model, options.instanceId);
  }

  /** Queues a request. What is wrong with it is reported through the sink, too. */
  submit(id: number, request: GenerationRequest, priority: Priority, sink: SequenceSink): void {
    try {
      const sequence = this.#createSequence(id, request, priority);
      this.#loop.add(sequence, request.echo ? this.#echoing(request.prompt, sink) : sink);
    } catch (error) {
      sink.failed(
        error instanceof ResidentError
          ? error
          : new ResidentError('internal_error', messageOf(error), { cause: error }),
      );
    }
  }

  cancel(id: number): void {
    this.#loop.cancel(id);
  }

  #echoing(prompt: Prompt, sink: SequenceSink): SequenceSink {
    const promptText =
      prompt.kind === 'text' ? prompt.text : this.#options.codec.decode([...this.#encode(prompt)]);
    return {
      event: (event) => sink.event(event.type === 'start' ? { ...event, promptText } : event),
      failed: (error) => sink.failed(error),
    };
  }

  #createSequence(id: number, request: GenerationRequest, priority: Priority): Sequence<Cache> {
    const { model, codec } = this.#options;
    const promptTokens = this.#tokenize(request.prompt);
    const maxTokens = this.#resolveMaxTokens(promptTokens.length, request);
    const options = { id, priority, promptTokens, maxTokens, ...this.#resolveSampling(request, maxTokens) };
    return new Sequence(options, model.createCache(), (tokens) => codec.decode(tokens));
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

  #tokenize(prompt: Prompt): readonly number[] {
    const tokens = this.#encode(prompt);
    if (tokens.length > 0) return tokens;
    const begin = this.#options.codec.beginOfSequence;
    if (begin !== undefined) return [begin];
    throw new InvalidRequestError(
      'invalid_value',
      'The prompt is empty, and this model has no token that begins a text.',
      {
        param: 'prompt',
      },
    );
  }

  #encode(prompt: Prompt): readonly number[] {
    const { codec } = this.#options;
    switch (prompt.kind) {
      case 'text':
        return codec.encode(prompt.text, { special: true });
      case 'chat':
        return codec.encode(codec.renderChat(prompt.messages), { special: false });
      case 'tokens':
        this.#checkTokens(prompt.tokens, 'prompt');
        return prompt.tokens;
      default:
        return prompt satisfies never;
    }
  }

  #resolveMaxTokens(promptTokens: number, { prompt, maxTokens: asked }: GenerationRequest): number {
    const { contextLength, defaults } = this.#options;
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
    return asked ?? Math.min(defaults.maxTokens ?? room, room);
  }
}

function contextError(message: string, param: string): InvalidRequestError {
  return new InvalidRequestError('context_length_exceeded', message, { param });
}

/** A chat template's own complaint, e.g. that roles must alternate. */
export function chatTemplateError(error: unknown): InvalidRequestError {
  return new InvalidRequestError(
    'invalid_value',
    `The model's chat template refuses these messages: ${messageOf(error)}`,
    {
      param: 'messages',
      cause: error,
    },
  );
}
