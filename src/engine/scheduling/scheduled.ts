import type { Priority } from '../types.js';

/** What the scheduler sees of a sequence. */
export interface Scheduled {
  /** Ids grow with arrival. */
  readonly id: number;
  readonly priority: Priority;
  /** Whoever sent it; rows are shared out evenly between the clients of one priority. */
  readonly client: string;
  /** It has a row: each step takes it further. */
  readonly running: boolean;
  /** Prompt and completion so far, in tokens. */
  readonly tokens: number;
  /** How many of them have their keys and values in the cache. */
  readonly cached: number;
  /** Blocks of the KV cache that it holds, running or not. */
  readonly blocks: number;
}

export interface Limits {
  /** Most sequences in one step. */
  readonly maxRows: number;
  /** Rows that background work keeps however much interactive work waits. Less than `maxRows`. */
  readonly backgroundRows: number;
  /** Most tokens of a prompt that one step runs for one sequence. */
  readonly prefillChunk: number;
  /** The same for a background prompt, if less: somebody who comes meanwhile waits for the end of the pass. */
  readonly backgroundChunk: number;
  /** With people about, as few background rows run as it takes for a pass over them to last no longer; in milliseconds. */
  readonly backgroundPassMs: number;
  /** Most tokens in one step; a step that has prompts to run always runs one chunk. */
  readonly stepTokens: number;
}

/** What background work may take of a step besides its own: less while there are people who could come back any moment. */
export interface BackgroundShare {
  /** Most rows; it has `backgroundRows` of them in any case. */
  readonly rows: number;
  /** Most tokens of prompts; one piece is run in any case. */
  readonly promptTokens: number;
}

/** Nobody is about. */
export const WHOLE_SHARE: BackgroundShare = { rows: Infinity, promptTokens: Infinity };

/** The KV cache as the scheduler sees it. */
export interface CacheRoom {
  /** Tokens in one block. */
  readonly blockTokens: number;
  /** Blocks that can be had without taking them from a sequence. */
  readonly available: number;
}

export function blocksFor(tokens: number, { blockTokens }: CacheRoom): number {
  return Math.ceil(tokens / blockTokens);
}

/** Tokens that wait to be run: the whole prompt at first, one when it decodes. */
export function pending({ tokens, cached }: Scheduled): number {
  return tokens - cached;
}
