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
  /** Same seed, same text. Default: a random one per request. */
  readonly seed?: number | undefined;
  /** Generation ends before the first of these strings; it isn't part of the text. */
  readonly stop?: readonly string[] | undefined;
}

/** `stop`: end-of-sequence token or a stop string; `length`: `maxTokens` reached. */
export type FinishReason = 'stop' | 'length';

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/**
 * One generation is `start`, any number of `token`, one `finish`; a failure is thrown by the iterator instead.
 * The concatenated `text`s are the completion: whole characters only, and nothing of a stop string.
 */
export type GenerationEvent =
  | { readonly type: 'start'; readonly instanceId: string; readonly promptTokens: number }
  | { readonly type: 'token'; readonly token: number; readonly text: string }
  | {
      readonly type: 'finish';
      readonly finishReason: FinishReason;
      /** What was held back until now: a possible beginning of a stop string that did not become one. */
      readonly text: string;
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
  /** Process id of the engine. */
  readonly pid: number;
}
