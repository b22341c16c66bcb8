/** What the engine is asked and what it answers. Nothing here knows HTTP, GraphQL or Nest. */

export const TASKS = ['text-generation', 'feature-extraction', 'text-classification', 'reranking'] as const;
export type Task = (typeof TASKS)[number];

/** Who waits for the answer: a person (`interactive`) or a batch (`background`, served when no person waits). */
export type Priority = 'interactive' | 'background';

/** Fields are named as chat templates name them. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  /** Of an assistant: what it called. */
  readonly tool_calls?: readonly ChatToolCall[];
  /** Of a tool: which call this answers. */
  readonly tool_call_id?: string;
  /** Of a tool: its name. */
  readonly name?: string;
}

export interface ChatToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    /** Templates want the object; a text that isn't JSON stays one. */
    readonly arguments: unknown;
  };
}

/** A function that the model may call, as chat templates know it. */
export interface ToolDefinition {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    /** JSON Schema of an object. Default: any object. */
    readonly parameters?: Readonly<Record<string, unknown>>;
  };
}

/** How a model writes a call of a tool: Hermes and Qwen; Mistral; Llama 3.1 and later. */
export const TOOL_FORMATS = ['hermes', 'mistral', 'llama'] as const;
export type ToolFormat = (typeof TOOL_FORMATS)[number];

/** What the text must be; see `docs/engine.md`, Constrained decoding. */
export type Constraint =
  /** A JSON object. */
  | { readonly kind: 'json' }
  | { readonly kind: 'json-schema'; readonly schema: unknown }
  /** One to `most` calls of these tools, in the model's format. */
  | { readonly kind: 'tool-calls'; readonly tools: readonly ToolDefinition[]; readonly most: number };

export type Prompt =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] }
  | {
      readonly kind: 'chat';
      readonly messages: readonly ChatMessage[];
      /** Told to the model; the text is then to be read with the `toolFormat` that `start` tells. */
      readonly tools?: readonly ToolDefinition[] | undefined;
    };

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
  /** Stop strings don't cut such a text, and it ends where it is complete, whatever `minTokens` says. Default: none. */
  readonly constraint?: Constraint | undefined;
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

/** Where the time before the first token went, in milliseconds. */
export interface GenerationTiming {
  /** From when its prompt was tokens until the first pass that holds a part of it began. */
  readonly queueMs: number;
  /** From then until its first token. */
  readonly prefillMs: number;
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
      /** Only if the prompt has tools. */
      readonly toolFormat?: ToolFormat | undefined;
      /** Where the time until now went, if it is known. */
      readonly timing?: GenerationTiming | undefined;
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
 * `inplace`: the graph is rewritten so that the cache stays where it is and sequences run together; on the CPU and on WebGPU, and refused if the
 * graph isn't understood. `plain`: the graph as it is, one sequence at a time. `auto`: the first where it works.
 */
export const KV_CACHE_MODES = ['auto', 'inplace', 'plain'] as const;
export type KvCacheMode = (typeof KV_CACHE_MODES)[number];

/** Of the vectors of an input's tokens: their mean, the first one, or the last one. */
export const POOLINGS = ['mean', 'cls', 'last'] as const;
export type Pooling = (typeof POOLINGS)[number];

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
  /** Most memory that the model may take, in bytes: weights, activations, KV cache and runtime. Default: what is free. */
  readonly memory?: number | undefined;
  /** Most memory that the KV cache takes, in bytes. Default: see `loading/limits.ts`. */
  readonly kvCacheMemory?: number | undefined;
  /** Whether requests that begin alike share what is in the KV cache. Default: true. */
  readonly prefixCache?: boolean | undefined;
  /** Most sequences in one step. Default: 32, on a GPU 64. */
  readonly maxRows?: number | undefined;
  /** Rows that background work keeps while interactive work waits. Default: 1. */
  readonly backgroundRows?: number | undefined;
  /** Most tokens of one prompt in one step. Default: 128, on a GPU 1024. */
  readonly prefillChunk?: number | undefined;
  /** Most tokens of one background prompt in one step. Default: 8, on a GPU 64. */
  readonly backgroundChunk?: number | undefined;
  /** How long a pass over background rows may last while people are about, in milliseconds. Default: 20. */
  readonly backgroundPassMs?: number | undefined;
  /** Most tokens in one step. Default: 256, on a GPU 4096. */
  readonly stepTokens?: number | undefined;
  /** Of an embedding model: how the vectors of the tokens become one. Default: what its files say, else `mean`. */
  readonly pooling?: Pooling | undefined;
  /** Of an embedding model: vectors of length 1. Default: what its files say, else true. */
  readonly normalize?: boolean | undefined;
  /** Of an embedding model: texts that may go before an input, by name, besides those in its files. */
  readonly prompts?: Readonly<Record<string, string>> | undefined;
  /** Of an encoder: most tokens of one input, at most what the model takes. Default: what its files say. */
  readonly maxTokens?: number | undefined;
  /** Of an encoder: most tokens of one pass, padding included. Default: 512 on the CPU, 4096 elsewhere. */
  readonly batchTokens?: number | undefined;
  /** Most generations under way or waiting, of each priority; one more is refused. Default: 1024. */
  readonly maxQueue?: number | undefined;
  /** A step that takes longer, in seconds, means that the engine hangs: it is restarted. Default: 120. */
  readonly stepLimitSeconds?: number | undefined;
  /** A load that doesn't get on for so long, in seconds, hangs and fails. While bytes come in it gets on. Default: 600. */
  readonly loadLimitSeconds?: number | undefined;
}

/** Where models that aren't folders come from, and where their files are kept. */
export interface HubOptions {
  readonly endpoint: string;
  readonly cacheDir: string;
  /** Of an account on the hub, for gated and private models. It goes to huggingface.co, never to where that sends for content. */
  readonly token?: string | undefined;
  /** Whether another endpoint is told the token, too. Default: false. */
  readonly trustEndpoint?: boolean | undefined;
  /** Whether only what is in the cache is used. Default: false. */
  readonly offline?: boolean | undefined;
}

/** What a load is doing. */
export type LoadProgress =
  | {
      readonly phase: 'downloading';
      /** The file that is under way, as the repository names it. */
      readonly file: string;
      /** Of all files of this model together. */
      readonly bytes: number;
      readonly totalBytes: number;
    }
  | { readonly phase: 'loading'; readonly device: ConcreteDevice; readonly dtype: ConcreteDtype }
  | { readonly phase: 'warming-up' };

/** A device on which this model can't run here, as an earlier try showed. */
export interface FailedDevice {
  readonly device: ConcreteDevice;
  /** A clause, without a full stop. */
  readonly reason: string;
}

/** What a load is told besides its specification, and whom it tells what goes on. */
export interface LoadContext {
  /** Not to be tried again by `device: auto`. */
  readonly avoid: readonly FailedDevice[];
  readonly onProgress: (progress: LoadProgress) => void;
  /** What the model, once it is loaded, can't do as well as it should: a sentence; undefined: it is well (again). */
  readonly onCondition: (degraded: string | undefined) => void;
  /** The device is lost: nothing can be run in this process any more. Default: says so on stderr and ends the process. */
  readonly onFatal?: ((reason: string) => void) | undefined;
  /**
   * Whether what only some requests need (threads for long prompts, the tokens as a tree for constraints) waits for the first of them,
   * and a generator counts as loaded without having run its largest steps. For a process whose start somebody waits for, and that answers
   * one request at a time. Default: false.
   */
  readonly onDemand?: boolean | undefined;
}

/** What was planned for a model before it was loaded, in bytes. */
export interface PlannedMemory {
  /** Of the files, external data included; unpacked where the device can't run them as they are. */
  readonly weightsBytes: number;
  /** Of the largest step. */
  readonly activationBytes: number;
  readonly kvCacheBytes: number;
  /** What was free on the device; undefined: it doesn't tell. */
  readonly freeBytes?: number | undefined;
}

/** What one load produced. */
export interface LoadedModelInfo {
  /** UUID of this load; a reload has another. */
  readonly instanceId: string;
  /** ISO 8601. */
  readonly loadedAt: string;
  /** From the order to load until the model could answer, process start included, in milliseconds. */
  readonly loadMs: number;
  /** CPU time of the engine process until the model could answer, all threads together, in milliseconds. */
  readonly loadCpuMs?: number | undefined;
  readonly device: ConcreteDevice;
  readonly dtype: ConcreteDtype;
  /** Why this device, and why no other: a sentence. */
  readonly deviceReason?: string | undefined;
  /** Why these weights, and why no others: a sentence. */
  readonly dtypeReason?: string | undefined;
  readonly memory?: PlannedMemory | undefined;
  /** What the operator should know of this load: sentences. */
  readonly warnings?: readonly string[] | undefined;
  /** Of a model from the hub: the commit of its repository that was loaded, if that is known. */
  readonly commit?: string | undefined;
  /** Of a generator: most tokens of prompt and completion together. */
  readonly contextLength?: number | undefined;
  /** Of an encoder: most tokens of one input, with special tokens. */
  readonly maxInputTokens?: number | undefined;
  /** Of an embedding model: the length of its vectors. */
  readonly dimensions?: number | undefined;
  /** Of a classifier or reranker: what it tells apart, in the model's order. */
  readonly labels?: readonly string[] | undefined;
  /** Of an embedding model: names of the prompts that may go before a text. */
  readonly promptNames?: readonly string[] | undefined;
  /** How the KV cache of a generator is kept. */
  readonly kvCache?: Exclude<KvCacheMode, 'auto'> | undefined;
  /** Why it isn't kept in place, where that was tried. */
  readonly kvCacheReason?: string | undefined;
  /** Tokens that the KV cache holds, of all sequences together. */
  readonly kvCacheTokens?: number | undefined;
  /** Of a generator: whether a sequence's result is the same, to the bit, whatever runs beside it. */
  readonly batchInvariant?: boolean | undefined;
  /** Process id of the engine. */
  readonly pid: number;
}
