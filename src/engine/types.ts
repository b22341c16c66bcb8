/** What the engine is asked and what it answers. Nothing here knows HTTP, GraphQL or Nest. */

export const TASKS = ['text-generation'] as const;
export type Task = (typeof TASKS)[number];

/** Who waits for the answer: a person (`interactive`) or a batch (`background`, served when no person waits). */
export type Priority = 'interactive' | 'background';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export type Prompt =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] }
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] };

export interface GenerationRequest {
  readonly prompt: Prompt;
  /** Most tokens to generate, at least 1. Default: the model's `max_new_tokens`, else what the context still holds. */
  readonly maxTokens?: number | undefined;
  /** 0 is greedy. Default: the model's generation config, else 1. */
  readonly temperature?: number | undefined;
  /** Nucleus mass in [0, 1]. Default: the model's generation config, else 1. */
  readonly topP?: number | undefined;
  /** Only the k most probable tokens. Default: the model's generation config, else all. */
  readonly topK?: number | undefined;
  /** Only tokens at least this probable, as a share of the most probable one's probability. Default: 0. */
  readonly minP?: number | undefined;
  /** Divides (if positive, else multiplies) the logits of tokens in prompt and completion. Default: 1. */
  readonly repetitionPenalty?: number | undefined;
  /** Taken from the logit of every token in the completion, once (OpenAI). Default: 0. */
  readonly presencePenalty?: number | undefined;
  /** Taken from the logit of every token in the completion, for each time it is there (OpenAI). Default: 0. */
  readonly frequencyPenalty?: number | undefined;
  /** Added to the logits, by token id. */
  readonly logitBias?: ReadonlyMap<number, number> | undefined;
  /** Same seed, same text. Default: a random one per request. */
  readonly seed?: number | undefined;
  /** Generation ends before the first of these strings; it isn't part of the text. */
  readonly stop?: readonly string[] | undefined;
  /** Generation ends with the first of these tokens; its text isn't part of the completion. */
  readonly stopTokenIds?: readonly number[] | undefined;
  /** Nothing ends the generation before it has this many tokens. Default: 0. */
  readonly minTokens?: number | undefined;
  /** The end-of-sequence token is a token like others. Default: false. */
  readonly ignoreEos?: boolean | undefined;
  /** How many of the most probable tokens to tell with each token, besides itself. Default: no log-probabilities at all. */
  readonly logprobs?: number | undefined;
  /** It fails if it hasn't ended so long after it was asked for, in milliseconds. Default: never. */
  readonly timeoutMs?: number | undefined;
  /** Tell the prompt's text in `start`. Default: false. */
  readonly echo?: boolean | undefined;
}

/** A token as a log-probability is told of it. */
export interface TokenLogprob {
  readonly token: number;
  /** The token decoded alone; U+FFFD where it is a part of a character. */
  readonly text: string;
  /** Natural logarithm of the probability that the model gave it, before penalties, bias and temperature. */
  readonly logprob: number;
}

/** Of one generated token: itself, and the most probable ones, best first. */
export interface TokenLogprobs extends TokenLogprob {
  readonly top: readonly TokenLogprob[];
}

/** `stop`: end-of-sequence token or a stop string; `length`: `maxTokens` reached. */
export type FinishReason = 'stop' | 'length';

export interface Usage {
  readonly promptTokens: number;
  /** Tokens of the prompt whose keys and values were in the cache already. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

/**
 * One generation is `start`, any number of `token`, one `finish`; a failure is thrown by the iterator instead.
 * The concatenated `text`s are the completion: whole characters only, and nothing of a stop string.
 */
export type GenerationEvent =
  | {
      readonly type: 'start';
      readonly instanceId: string;
      readonly promptTokens: number;
      /** Only if the request says `echo`. */
      readonly promptText?: string | undefined;
    }
  | {
      readonly type: 'token';
      readonly token: number;
      readonly text: string;
      /** Only if the request asks for them. */
      readonly logprobs?: TokenLogprobs | undefined;
    }
  | {
      readonly type: 'finish';
      readonly finishReason: FinishReason;
      /** What was held back until now: a possible beginning of a stop string that did not become one. */
      readonly text: string;
      /** Of every token, where they don't come as events of their own. */
      readonly logprobs?: readonly TokenLogprobs[] | undefined;
      readonly usage: Usage;
    };

export const DEVICES = ['auto', 'cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const;
export type Device = (typeof DEVICES)[number];

export const DTYPES = [
  'auto',
  'fp32',
  'fp16',
  'q8',
  'int8',
  'uint8',
  'q4',
  'q4f16',
  'q2',
  'q2f16',
  'q1',
  'q1f16',
  'bnb4',
] as const;
export type Dtype = (typeof DTYPES)[number];
export type ConcreteDtype = Exclude<Dtype, 'auto'>;
export type ConcreteDevice = Exclude<Device, 'auto'>;

/**
 * `inplace`: the graph is rewritten so that the cache stays where it is and sequences run together; CPU only, and refused if the
 * graph isn't understood. `plain`: the graph as it is, one sequence at a time. `auto`: the first where it works.
 */
export const KV_CACHE_MODES = ['auto', 'inplace', 'plain'] as const;
export type KvCacheMode = (typeof KV_CACHE_MODES)[number];

/** One model to keep resident. */
export interface ModelSpec {
  /** What clients send as `model`. */
  readonly name: string;
  /** A folder, or a Hugging Face id `owner/name`. */
  readonly source: string;
  readonly task: Task;
  readonly device: Device;
  readonly dtype: Dtype;
  /** Threads of one forward pass. Default: what `os.availableParallelism()` says. */
  readonly threads?: number | undefined;
  /** How the KV cache is kept. Default: `auto`. */
  readonly kvCache?: KvCacheMode | undefined;
  /** Most memory that the KV cache takes, in bytes. Default: see `loading/cache-memory.ts`. */
  readonly kvCacheMemory?: number | undefined;
  /** Whether requests that begin alike share what is in the KV cache. Default: true. */
  readonly prefixCache?: boolean | undefined;
  /** Most sequences in one step. Default: 32. */
  readonly maxRows?: number | undefined;
  /** Rows that background work keeps while interactive work waits. Default: 1. */
  readonly backgroundRows?: number | undefined;
  /** Most tokens of one prompt in one step. Default: 128. */
  readonly prefillChunk?: number | undefined;
  /** Most tokens of one background prompt in one step. Default: 8. */
  readonly backgroundChunk?: number | undefined;
  /** How long a pass over background rows may last while people are about, in milliseconds. Default: 20. */
  readonly backgroundPassMs?: number | undefined;
  /** Most tokens in one step. Default: 256. */
  readonly stepTokens?: number | undefined;
  /** Most generations under way or waiting, of each priority; one more is refused. Default: 1024. */
  readonly maxQueue?: number | undefined;
  /** A step that takes longer, in seconds, means that the engine hangs: it is restarted. Default: 120. */
  readonly stepLimitSeconds?: number | undefined;
}

/** Where models that aren't folders come from, and where their files are kept. */
export interface HubOptions {
  readonly endpoint: string;
  readonly cacheDir: string;
}

/** What one load produced. */
export interface LoadedModelInfo {
  /** UUID of this load; a reload has another. */
  readonly instanceId: string;
  /** ISO 8601. */
  readonly loadedAt: string;
  /** From the order to load until the model could answer, process start included, in milliseconds. */
  readonly loadMs: number;
  readonly device: ConcreteDevice;
  readonly dtype: ConcreteDtype;
  /** Most tokens of prompt and completion together. */
  readonly contextLength: number;
  /** How the KV cache is kept. */
  readonly kvCache: Exclude<KvCacheMode, 'auto'>;
  /** Why it isn't kept in place, where that was tried. */
  readonly kvCacheReason?: string | undefined;
  /** Tokens that the KV cache holds, of all sequences together. */
  readonly kvCacheTokens: number;
  /** Whether a sequence's result is the same, to the bit, whatever runs beside it. */
  readonly batchInvariant: boolean;
  /** Process id of the engine. */
  readonly pid: number;
}
