import type { WireError } from '../errors.js';
import type { Prompt } from '../types.js';

/** What there is to encode. */
export type EncodingJob =
  | {
      readonly kind: 'text';
      readonly text: string;
      /** Add what the model wants around a text (a beginning-of-sequence token, mostly). */
      readonly special: boolean;
    }
  /** Without special tokens; answered in one list, see `packTokens`. */
  | { readonly kind: 'texts'; readonly texts: readonly string[] }
  /** To be rendered with the model's template, which brings the special tokens itself. */
  | Extract<Prompt, { kind: 'chat' }>;

/** To a tokenizer thread. */
export type ToThread =
  | { readonly type: 'encode'; readonly id: number; readonly job: EncodingJob }
  /** Nobody waits for this one any more. */
  | { readonly type: 'cancel'; readonly id: number };

/** From a tokenizer thread: `ready` first and once, then one answer to each job that wasn't cancelled. */
export type FromThread =
  | { readonly type: 'ready' }
  | { readonly type: 'encoded'; readonly id: number; readonly tokens: Int32Array<ArrayBuffer> }
  | { readonly type: 'failed'; readonly id: number; readonly error: WireError };
