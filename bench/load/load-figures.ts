import { median, percentile, sum } from '../support/statistics.js';
import type { StreamedCompletion } from './stream-completion.js';

/** The middle and the tail of some times, in milliseconds. */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
}

/** What clients saw of a server under load. */
export interface LoadFigures {
  readonly tokens: number;
  /** From the first request to the end of the last answer, in milliseconds. */
  readonly elapsed: number;
  readonly tokensPerSecond: number;
  /** Time to first token. */
  readonly ttft: Spread;
  /** Between two tokens of one answer. */
  readonly interToken: Spread;
}

export function summarizeLoad(completions: readonly StreamedCompletion[]): LoadFigures {
  const tokens = sum(completions.map(({ completionTokens }) => completionTokens));
  const elapsed =
    Math.max(...completions.map(({ end }) => end)) - Math.min(...completions.map(({ start }) => start));
  return {
    tokens,
    elapsed,
    tokensPerSecond: (tokens / elapsed) * 1000,
    ttft: spreadOf(completions.map(timeToFirstToken)),
    interToken: spreadOf(completions.flatMap(({ tokenTimes }) => gaps(tokenTimes))),
  };
}

/** An answer whose tokens settled no text before its end (half a character) counts as late as that. */
export function timeToFirstToken({ start, tokenTimes, end }: StreamedCompletion): number {
  return (tokenTimes[0] ?? end) - start;
}

export function spreadOf(values: readonly number[]): Spread {
  return { p50: median(values), p99: percentile(values, 99) };
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - (times[i] as number));
}
