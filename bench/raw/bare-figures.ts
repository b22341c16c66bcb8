import { sum } from '../support/statistics.js';

/** What a loop without a server made of some prompts. */
export interface BareFigures {
  readonly tokens: number;
  /** Prefill and decoding, in milliseconds. */
  readonly elapsed: number;
  readonly tokensPerSecond: number;
  /** Of the steps after every row has its first token. */
  readonly decodeTokensPerSecond: number;
}

/** Prompts that run side by side, all for the same number of new tokens. */
export interface BareJob {
  readonly prompts: readonly (readonly number[])[];
  readonly newTokens: number;
}

/** One job, done. Times are `performance.now()`. */
export interface Wave {
  readonly tokens: number;
  readonly start: number;
  /** When every row had its first token. */
  readonly decodeStart: number;
  readonly end: number;
  /** Tokens made behind `decodeStart`. */
  readonly decoded: number;
}

export function summarizeWaves(waves: readonly Wave[]): BareFigures {
  const tokens = sum(waves.map((wave) => wave.tokens));
  const elapsed = sum(waves.map(({ start, end }) => end - start));
  const decoded = sum(waves.map((wave) => wave.decoded));
  const decoding = sum(waves.map(({ decodeStart, end }) => end - decodeStart));
  return {
    tokens,
    elapsed,
    tokensPerSecond: (tokens / elapsed) * 1000,
    decodeTokensPerSecond: (decoded / decoding) * 1000,
  };
}
