import { expect } from 'vitest';
import type { TokenLogprobs } from '../../src/index.js';
import type { Outcome } from './generators.js';

/** The same tokens with the same log-probabilities, to the bit; of what was cancelled, as far as it came. */
export function expectIdentical(actual: readonly Outcome[], expected: readonly Outcome[]): void {
  for (const [i, { tokens, usage }] of actual.entries()) {
    const whole = (expected[i] as Outcome).tokens;
    expect(tokens).toEqual(usage ? whole : whole.slice(0, tokens.length));
  }
}

/**
 * The same text up to rounding: as long as the tokens are the same, so are their log-probabilities, within `gap`; and where another
 * token is chosen first, the expected run found it as good, within `gap`. Behind that the texts differ by right.
 */
export function expectEquivalent(
  actual: readonly Outcome[],
  expected: readonly Outcome[],
  gap: number,
): void {
  for (const [i, { tokens, usage }] of actual.entries()) {
    const whole = (expected[i] as Outcome).tokens;
    const split = tokens.findIndex(({ token }, at) => token !== whole[at]?.token);
    if (usage && split < 0) expect(tokens).toHaveLength(whole.length);
    const same = split < 0 ? tokens : tokens.slice(0, split);
    for (const [at, { logprob }] of same.entries())
      expect(Math.abs(logprob - (whole[at] as TokenLogprobs).logprob)).toBeLessThan(gap);
    if (split >= 0)
      expect(advantage(whole[split] as TokenLogprobs, tokens[split] as TokenLogprobs)).toBeLessThan(gap);
  }
}

/** How much better the chosen token was than the other one, where it was chosen. */
function advantage(chosen: TokenLogprobs, other: TokenLogprobs): number {
  const there = chosen.top.find(({ token }) => token === other.token);
  return there ? chosen.logprob - there.logprob : Infinity;
}
